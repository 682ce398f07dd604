package policy

import (
	"fmt"
	"strings"
)

// Decision is what becomes of a flow, and why.
type Decision struct {
	Verdict Verdict
	// By names what decides: a rule's name, "default", or the name of what is always in force.
	By string
	// Rule is the deciding rule, nil where none does.
	Rule *Rule
	// Over is the bound of the rule that the flow is over, zero where it is within all: then Verdict is Block.
	Over Bound
	// Reason says in one clause what By does.
	Reason string
	// Steps has one entry for each rule that was asked, in order, the deciding one last.
	Steps []Step
}

// Step is one rule that was asked.
type Step struct {
	Rule    *Rule
	Matched bool
	// Why says what did not match, or that all did.
	Why string
}

// Decide judges the flow: first match wins, in order. A fact that is Unknown is taken not to match; use Refused to
// judge what holds whatever the unknown is.
func (p *Policy) Decide(f Flow) Decision {
	if !p.looksAt(f.Direction) {
		return notLookedAt()
	}
	if a, met := p.always(&f); met == yes {
		return Decision{Verdict: a.Verdict(), By: a.String(), Reason: a.Text()}
	}
	var d Decision
	for _, r := range p.rules {
		a, failed := r.meets(&f)
		step := Step{Rule: r, Matched: a == yes}
		if a == yes {
			step.Why = "all that the rule asks for holds" + r.namesMet(&f)
			d.Steps = append(d.Steps, step)
			steps := d.Steps
			d = r.decide(&f)
			d.Steps = steps
			return d
		}
		step.Why = why(r, &f, failed)
		d.Steps = append(d.Steps, step)
	}
	v, _ := p.Default(f.Direction)
	d.Verdict, d.By = v, "default"
	d.Reason = fmt.Sprintf("no rule matches, and the default for %s is to %s", f.Direction, v)
	return d
}

// meets asks one rule.
func (r *Rule) meets(f *Flow) (answer, criterion) {
	if r.Disabled {
		return no, byDisabled
	}
	m, ok := r.Match(f.Direction)
	if !ok {
		return no, byDirection
	}
	return m.meets(f)
}

// Refused tells whether the flow is refused whatever its unknown facts are, and by what. It is for connections that
// are open already: a fact that cannot be learned is not held against them.
func (p *Policy) Refused(f Flow) (Decision, bool) {
	d := p.Standing(f)
	if !d.Verdict.Refuses() {
		return Decision{}, false
	}
	return d, true
}

// Standing is what the policy says of a connection that is open: what refuses it where Refused says so, else what allows
// it. Where that depends on an unknown fact, it is what allows it without regard to the fact, else the first that may. One
// that is under way is taken to go to a name that had its address before only where nothing else allows it.
func (p *Policy) Standing(f Flow) Decision {
	certain := true
	var refusal *Decision
	worlds := p.worlds(f)
	for i := range worlds {
		worlds[i].UnderWay = false
		d := p.judge(&worlds[i])
		if d.Verdict == Allow {
			return d
		}
		if refusal == nil {
			refusal = &d
		} else if refusal.By != d.By {
			certain = false
		}
	}
	for i := range worlds {
		if worlds[i].UnderWay = f.UnderWay && f.Names != nil; !worlds[i].UnderWay {
			break
		}
		if d := p.judge(&worlds[i]); d.Verdict == Allow {
			return d
		}
	}
	if !certain {
		refusal.Reason += ", or another rule refuses it"
	}
	return *refusal
}

// Judge is Decide without the steps, which cost more than the decision.
func (p *Policy) Judge(f Flow) Decision { return p.judge(&f) }

func (p *Policy) judge(f *Flow) Decision {
	if !p.looksAt(f.Direction) {
		return notLookedAt()
	}
	if a, met := p.always(f); met == yes {
		return Decision{Verdict: a.Verdict(), By: a.String(), Reason: a.Text()}
	}
	for _, r := range p.rules {
		// Of what is under way, a name may have had the address.
		if a, _ := r.meets(f); a == yes || a == maybe && f.UnderWay && r.Action == Allow {
			return r.decide(f)
		}
	}
	v, _ := p.Default(f.Direction)
	return Decision{Verdict: v, By: "default", Reason: fmt.Sprintf("no rule matches, and the default for %s is to %s", f.Direction, v)}
}

func notLookedAt() Decision {
	return Decision{Verdict: Allow, By: "default", Reason: `forwarded traffic is not looked at ([default] forward = "ignore")`}
}

// decide is what becomes of a flow that the rule matches: "rule no-telnet blocks tcp port 23".
func (r *Rule) decide(f *Flow) Decision {
	d := Decision{Verdict: r.Action, By: string(r.Name), Rule: r, Over: f.Over[r.Name]}
	if d.Over != 0 {
		d.Verdict, d.Reason = Block, r.Over(d.Over).Reason(r.Name, f.Subject())
		return d
	}
	d.Reason = fmt.Sprintf("rule %s %s %s%s", r.Name, r.Action.Verb(), f.Subject(), r.within())
	return d
}

// Subject names what the flow wants, in few words: "tcp port 23", "icmp echo-request".
func (f *Flow) Subject() string {
	if port, ok := f.DestinationPort.Get(); ok && f.Protocol.HasPorts() {
		return fmt.Sprintf("%s port %d", f.Protocol, port)
	}
	if t, ok := f.ICMPType.Get(); ok && (f.Protocol == ICMP || f.Protocol == ICMPv6) {
		return fmt.Sprintf("%s %s", f.Protocol, ICMPTypeName(f.Protocol, t))
	}
	return f.Protocol.String()
}

// why says which criterion keeps the rule from matching.
func why(r *Rule, f *Flow, c criterion) string {
	switch c {
	case byDisabled:
		return "the rule is disabled"
	case byDirection:
		return fmt.Sprintf("direction is %s, the rule is for %s", f.Direction, r.Direction())
	}
	source, destination := endKeys(f.Direction)
	// There is one: the rule has the flow's direction.
	m, _ := r.Match(f.Direction)
	ports, _ := m.Traffic.(OnPorts)
	switch c {
	case byProtocol:
		list := strings.Fields(m.Traffic.text())
		if t, ok := m.Traffic.(OfICMPTypes); ok && f.Protocol == ICMP || ok && f.Protocol == ICMPv6 {
			return fmt.Sprintf("%s is not %s", f.Subject(), t.text())
		}
		return fmt.Sprintf("protocol is %s over %s, the rule asks for %s", f.Protocol, f.Family, list[0])
	case byICMPType:
		return differs("icmp type", f.ICMPType, m.Traffic.text(), func(t uint8) string { return ICMPTypeName(f.Protocol, t) })
	case byPort:
		return differs("port", f.DestinationPort, ports.Destination.String(), nil)
	case bySourcePort:
		return differs("source port", f.SourcePort, ports.Source.String(), nil)
	case bySource:
		return addressDiffers(source, f, f.Source, m.Source)
	case byDestination:
		return addressDiffers(destination, f, f.Destination, m.Destination)
	case byInInterface:
		return differs("interface", f.InInterface, joined(m.InInterfaces), nil)
	case byOutInterface:
		return differs("interface", f.OutInterface, joined(m.OutInterfaces), nil)
	case byUser:
		return differs("user", f.User, joined(m.Users), nil)
	case byGroup:
		return differs("group", f.Group, joined(m.Groups), nil)
	case bySchedule:
		return differs("time", f.Time, m.Schedule.String(), nil)
	case byUntil:
		return differs("time", f.Time, "before "+m.Until.Format("2006-01-02 15:04:05"), nil)
	}
	panic(fmt.Sprintf("policy: criterion %d", uint8(c)))
}
