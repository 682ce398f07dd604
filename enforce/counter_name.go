package enforce

import (
	"strings"

	"pfw/config/policy"
)

// A counter's name says what it counts: "rule/ssh", "default/in", "always/invalid". What of it was sent to the
// log and what was over the log's cap stand beside: "sent/rule/ssh", "over/rule/ssh". "excess/ssh" counts what of rule/ssh is over a bound of the rule. The kind is in front, as a rule may be
// named "over".
const (
	ruleCounter    = "rule/"
	defaultCounter = "default/"
	alwaysCounter  = "always/"
	overCounter    = "over/"
	sentCounter    = "sent/"
	excessCounter  = "excess/"
	detectCounter  = "detect/"
	refusedCounter = "bans/refused"
	unseenCounter  = "detect/unseen"
	cutCounter     = "connections/cut"
	keptCounter    = "connections/kept"
)

// put stores a reading where it belongs. A name that pfw does not give is not its own, and left out.
func (c *Counters) put(name string, value Counter) {
	set := func(r *RuleCounters) { r.Counter = value }
	if rest, over := strings.CutPrefix(name, overCounter); over {
		name, set = rest, func(r *RuleCounters) { r.Over = value.Packets }
	} else if rest, sent := strings.CutPrefix(name, sentCounter); sent {
		name, set = rest, func(r *RuleCounters) { r.Sent = value.Packets }
	}
	if rule, ok := strings.CutPrefix(name, excessCounter); ok {
		r := c.Excess[policy.Name(rule)]
		set(&r)
		c.Excess[policy.Name(rule)] = r
		return
	}
	if rule, ok := strings.CutPrefix(name, ruleCounter); ok {
		r := c.Rules[policy.Name(rule)]
		set(&r)
		c.Rules[policy.Name(rule)] = r
		return
	}
	for _, d := range policy.Directions {
		if name == defaultCounter+d.String() {
			r := c.Defaults[d]
			set(&r)
			c.Defaults[d] = r
		}
	}
	for _, a := range policy.InForceInPanic {
		if name == alwaysCounter+a.String() {
			c.Always[a] = value
		}
	}
	for _, b := range policy.Behaviours {
		if name == detectCounter+b.String() {
			c.Detected[b] = value
		}
	}
	switch name {
	case refusedCounter:
		c.Refused = value
	case unseenCounter:
		c.Unseen = value
	case cutCounter:
		c.Cut = value
	case keptCounter:
		c.Kept = value
	}
}
