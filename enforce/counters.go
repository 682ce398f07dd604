package enforce

import "pfw/config/policy"

// Counter is a number of packets and the sum of their lengths, IP headers included.
type Counter struct{ Packets, Bytes uint64 }

// RuleCounters counts the packets that a rule or a default decided: the openings of connections. All of it goes on over
// reloads, also where the rule's log is switched on or off: what was logged is Sent and Over, whatever Packets is.
type RuleCounters struct {
	Counter
	// Sent counts those of Packets for which a message that is to be written was handed to the log.
	Sent uint64
	// Over counts those that would have been, had the rule's log cap not been reached.
	Over uint64
	// Logged says whether the rule's messages are to be written, as the ruleset in force has it. Where it was so all the
	// time, Packets = Sent + Over, and what is in Excess of the rule.
	Logged bool
}

// Counters is one reading of all of the table's counters.
type Counters struct {
	// Rules is by name; a rule that is for two directions has one counter.
	Rules map[policy.Name]RuleCounters
	// Excess counts, of what is in Rules, the packets over a bound of the rule, which it blocked whatever its action. They
	// are sent to the log for themselves: Sent and Over of the rule are of packets within.
	Excess map[policy.Name]RuleCounters
	// Defaults counts what no rule matched.
	Defaults map[policy.Direction]RuleCounters
	// Always counts what is in force before any rule.
	Always map[policy.Always]Counter
	// Detected counts the packets with which a remote was seen to exceed what a detector allows, once in a while each.
	Detected map[policy.Behaviour]Counter
	// Refused counts the packets whose remotes would have been banned, had there been room.
	Refused Counter
	// Unseen counts the refused packets that the port scan detector had no room for.
	Unseen Counter
	// Cut counts packets of connections that were cut, Kept those of connections older than pfw that were let through.
	Cut, Kept Counter
}

func newCounters() Counters {
	return Counters{
		Rules:    map[policy.Name]RuleCounters{},
		Excess:   map[policy.Name]RuleCounters{},
		Defaults: map[policy.Direction]RuleCounters{},
		Always:   map[policy.Always]Counter{},
		Detected: map[policy.Behaviour]Counter{},
	}
}
