package enforce

import "pfw/config/policy"

// decider is what a rule or a default does to the packets that come to it.
type decider struct {
	name    string // of the rule, or "default"
	counter string
	tag     Tag
	logs    bool // a message to the log for each packet, as far as the cap lets
	group   uint16
	cap     policy.Rate
	comment string

	// rule is nil for a default; families are those of the packets that come; file is the group of what is refused.
	rule     *policy.Rule
	families []policy.Family
	file     uint16
}

// excess names the counter of what is over a bound of the rule.
func (x decider) excess() string { return excessCounter + x.name }

func deciderOf(p *policy.Policy, r *policy.Rule, d policy.Direction) decider {
	return complete(p, decider{
		name:    string(r.Name),
		counter: ruleCounter + string(r.Name),
		tag:     Tag{Rule: r.Name, Action: r.Action, Direction: d, Severity: r.Severity, Kind: ByRule, Written: r.Log},
		comment: commentOf(r),
		rule:    r,
	})
}

func defaultDecider(p *policy.Policy, d policy.Direction, v policy.Verdict) decider {
	return complete(p, decider{
		name:    "default",
		counter: defaultCounter + d.String(),
		tag:     Tag{Action: v, Direction: d, Severity: policy.Low, Kind: ByDefault, Written: v.Refuses() && p.Log().Unmatched},
	})
}

// complete adds what the file says of all logging. What is allowed goes to a group of its own, where somebody may watch it
// live; what is refused and not to be written goes nowhere.
func complete(p *policy.Policy, x decider) decider {
	log := p.Log()
	x.group, x.file, x.cap, x.logs = log.Group, log.Group, log.Cap, x.tag.Written
	if x.tag.Action == policy.Allow {
		x.tag.Written = x.tag.Written || log.Allowed
		x.group, x.logs = log.Group+1, true
	}
	return x
}

// decider makes the chain of a rule or default and gives its name. A rule may have one for each of two directions.
func (c *compiler) decider(x decider) string {
	ch := chain{name: deciderChain(x.tag.Direction, x.name)}
	end := c.ending(x.tag.Action)
	if x.tag.Action == policy.Allow {
		// A connection that has passed once is not opened again by its next packet.
		ch.rules = append(ch.rules, rule{statements: []statement{isConfirmed, accept}})
	}
	ch.rules = append(ch.rules, c.watched(x)...)
	c.logged[x.counter] = x.tag.Written
	// Of thousands of rules each costs time to load, so there are as few as can be.
	first := rule{[]statement{c.counter(x.counter)}, x.comment}
	if x.rule != nil && x.rule.Bounded() {
		ch.rules = append(ch.rules, first)
		first, ch = rule{}, c.bound(x, ch)
	}
	if x.logs {
		over, message := []statement{end}, []statement{logTo{x.tag, x.group}}
		if x.tag.Written {
			over = []statement{c.counter(overCounter + x.counter), end}
			message = []statement{c.counter(sentCounter + x.counter), message[0]}
		} // Else it is only for who watches live: nobody asks what became of it.
		if !x.cap.Unlimited() {
			first.statements = append(append(first.statements, newOverRate(x.cap)), over...)
			ch.rules = append(ch.rules, first)
			first = rule{}
		}
		first.statements = append(first.statements, message...)
	}
	first.statements = append(first.statements, end)
	ch.rules = append(ch.rules, first)
	c.chains = append(c.chains, ch)
	return deciderChain(x.tag.Direction, x.name)
}

// counters adds what counts a default's packets. All three are there also while the default does not log, or its direction
// is not looked at, so that only rules' counters ever go.
func (c *compiler) counters(name string) {
	for _, kind := range []string{"", overCounter, sentCounter} {
		c.counter(kind + name)
	}
}

// ending is how a packet leaves.
func (c *compiler) ending(v policy.Verdict) statement {
	switch v {
	case policy.Allow:
		return accept
	case policy.Block:
		return drop
	case policy.Reject:
		c.rejects = true
		return goTo{rejectChain}
	}
	panic("enforce: verdict " + v.String())
}
