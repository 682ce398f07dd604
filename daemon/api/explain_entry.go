package api

import (
	"fmt"
	"net/http"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/audit"
)

// ExplainEntry tells why what an entry of the log tells of happened and what the policy in force makes of it now, where
// that is something else. An entry that is no packet is a *Problem.
func ExplainEntry(p *policy.Policy, entry audit.Entry, now time.Time, live Live) (Explain, error) {
	flow, err := flowOf(&entry)
	if err != nil {
		return Explain{}, err
	}
	// What decided then matched, and so tells what the entry does not.
	then := p.Rule(policy.Name(entry.PFW.Rule))
	if then != nil {
		learn(&flow, then)
		flow.Over = overBy(then, entry.PFW.Over)
	}
	flow.Time = policy.Known(now)
	e := newExplain(p, flow, live)
	flow.Time = policy.Field[time.Time]{}
	e.Packet, e.Entry = config.FormatPacket(flow), &entry
	if e.Verdict == entry.PFW.Action && e.Rule == entry.PFW.Rule {
		return e, nil
	}
	e.Now = &Decision{}
	*e.Now, e.Decision = e.Decision, Decision{Verdict: entry.PFW.Action, Rule: entry.PFW.Rule, Reason: entry.PFW.Reason}
	if then != nil {
		e.File, e.Line = then.Origin.File, then.Origin.Line
	}
	return e, nil
}

// overBy says that a packet is over a bound of the rule, where that still has it.
func overBy(r *policy.Rule, bound string) map[policy.Name]policy.Bound {
	has := map[policy.Bound]bool{
		policy.ByLimit: r.Limit != nil, policy.ByConnections: r.MaxConnections != nil, policy.ByBan: r.Ban != nil, policy.ByFullBan: r.Ban != nil,
	}
	for b, ok := range has {
		if ok && b.String() == bound {
			return map[policy.Name]policy.Bound{r.Name: b}
		}
	}
	return nil
}

// flowOf reads what the entry knows of a packet.
func flowOf(e *audit.Entry) (policy.Flow, error) {
	bad := func(format string, a ...any) (policy.Flow, error) {
		return policy.Flow{}, NewProblem(http.StatusBadRequest, fmt.Sprintf(format, a...), "entries of drop, allow and cut tell of a packet")
	}
	switch e.EventType {
	case audit.Drop, audit.Allow, audit.Cut:
	case audit.Ban, audit.Unban, audit.Alert, audit.Reload, audit.Tamper, audit.Panic, audit.Suppressed, audit.Lost:
		return bad("entry %d is no packet: it tells of %s", e.Seq, e.EventType)
	default:
		panic("api: flow of " + e.EventType.String())
	}
	number, known := audit.ProtoNumber(e.Proto)
	direction, verdict := directionOf(e.Direction), policy.Verdicts[e.PFW.Action]
	if !known || direction == 0 || verdict == 0 || !e.SrcIP.IsValid() || !e.DestIP.IsValid() {
		return bad("entry %d does not tell enough of its packet", e.Seq)
	}
	f := policy.Flow{
		Direction: direction, Family: policy.IPv6, Protocol: policy.Protocol(number),
		Source: policy.Known(e.SrcIP.Addr()), Destination: policy.Known(e.DestIP),
		SourcePort: field(e.SrcPort), DestinationPort: field(e.DestPort), ICMPType: field(e.ICMPType),
	}
	if e.DestIP.Is4() {
		f.Family = policy.IPv4
	}
	if direction != policy.Out {
		f.InInterface = nameOf(e.InIface)
	}
	if direction != policy.In {
		f.OutInterface = nameOf(e.OutIface)
	}
	if direction == policy.Out {
		f.User, f.Group = field(e.PFW.UID), policy.Unknown[uint32]()
		f.Unit, f.App = nameOf(e.PFW.Unit), nameOf(e.PFW.Exe)
	}
	return f, nil
}

func directionOf(word string) policy.Direction {
	for _, d := range policy.Directions {
		if d.String() == word {
			return d
		}
	}
	return 0
}

// field is unknown where the entry does not say.
func field[T uint8 | uint16 | uint32](o audit.Opt[T]) policy.Field[T] {
	if !o.Known {
		return policy.Unknown[T]()
	}
	return policy.Known(o.V)
}

func nameOf(s string) policy.Field[string] {
	if s == "" {
		return policy.Unknown[string]()
	}
	return policy.Known(s)
}

// learn fills in what is not known of a packet from a rule that it met.
func learn(f *policy.Flow, r *policy.Rule) {
	m, ok := r.Match(f.Direction)
	if !ok {
		return
	}
	account := func(field *policy.Field[uint32], asked []policy.Account) {
		if _, known := field.Get(); !known && len(asked) > 0 {
			*field = policy.Known(asked[0].ID)
		}
	}
	account(&f.User, m.Users)
	account(&f.Group, m.Groups)
	interfaceName := func(field *policy.Field[string], asked []policy.Interface) {
		if _, known := field.Get(); known || len(asked) == 0 {
			return
		}
		if name, prefix := asked[0].Name(); !prefix {
			*field = policy.Known(name)
		}
	}
	interfaceName(&f.InInterface, m.InInterfaces)
	interfaceName(&f.OutInterface, m.OutInterfaces)
}
