package enforce

import "pfw/config/policy"

// Counter is a number of packets and the sum of their lengths, IP headers included.
type Counter struct{ Packets, Bytes uint64 }

// RuleCounters counts the packets that a rule or a default decided: the openings of connections. Both counters go on over
// reloads.
type RuleCounters struct {
	Counter
	// Over counts those of Packets of which no message that is to be written was sent, as the rule's log cap was reached.
	Over uint64
	// Logged says whether messages that are to be written are sent, Packets - Over of them, as the ruleset in force has it.
	Logged bool
}

// Counters is one reading of all of the table's counters.
type Counters struct {
	// Rules is by name; a rule that is for two directions has one counter.
	Rules map[policy.Name]RuleCounters
	// Defaults counts what no rule matched.
	Defaults map[policy.Direction]RuleCounters
	// Always counts what is in force before any rule.
	Always map[policy.Always]Counter
	// Cut counts packets of connections that were cut, Kept those of connections older than pfw that were let through.
	Cut, Kept Counter
}

func newCounters() Counters {
	return Counters{
		Rules:    map[policy.Name]RuleCounters{},
		Defaults: map[policy.Direction]RuleCounters{},
		Always:   map[policy.Always]Counter{},
	}
}
