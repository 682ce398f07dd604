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
}

func deciderOf(p *policy.Policy, r *policy.Rule, d policy.Direction) decider {
	return complete(p, decider{
		name:    string(r.Name),
		counter: ruleCounter + string(r.Name),
		tag:     Tag{Rule: r.Name, Action: r.Action, Direction: d, Severity: r.Severity, Kind: ByRule, Written: r.Log},
		comment: commentOf(r),
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
	x.group, x.cap, x.logs = log.Group, log.Cap, x.tag.Written
	if x.tag.Action == policy.Allow {
		x.tag.Written = x.tag.Written || log.Allowed
		x.group, x.logs = log.Group+1, true
	}
	return x
}

// decider makes the chain of a rule or default and gives its name. A rule may have one for each of two directions.
func (c *compiler) decider(x decider) string {
	ch := chain{name: deciderChain(x.tag.Direction, x.name)}
	add := func(statements ...statement) { ch.rules = append(ch.rules, rule{statements: statements}) }
	end := c.ending(x.tag.Action)

	if x.tag.Action == policy.Allow {
		// A connection that has passed once is not opened again by its next packet.
		add(isConfirmed, accept)
	}
	counted, over, sent := c.counters(x.counter)
	ch.rules = append(ch.rules, rule{[]statement{counted}, x.comment})
	c.logged[x.counter] = x.tag.Written
	message := logTo{x.tag, x.group}
	switch {
	case !x.logs:
	case x.tag.Written:
		if !x.cap.Unlimited() {
			add(newOverRate(x.cap), over, end)
		}
		add(sent, message)
	default:
		// Only for who watches live: nobody asks what became of it.
		if !x.cap.Unlimited() {
			add(newOverRate(x.cap), end)
		}
		add(message)
	}
	add(end)
	c.chains = append(c.chains, ch)
	return ch.name
}

// counters adds what counts a rule's or default's packets. All three are there also while the rule does not log, so that
// they go on when it does again.
func (c *compiler) counters(name string) (counted, over, sent count) {
	return c.counter(name), c.counter(overCounter + name), c.counter(sentCounter + name)
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
