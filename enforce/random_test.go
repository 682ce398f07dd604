package enforce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pfw/config/policy"
)

// randomWorld writes random policies, and packets that meet their rules often.
type randomWorld struct {
	t testing.TB
	r *rand.Rand
	// chances of what a rule asks for, in percent, by policy: so there are policies of ports, of addresses and mixed.
	ports, sourcePorts, remotes, locals, interfaces, owners, types, clocks, bounds int
	// domains is the chance that addresses are those of names, too; known are those that names have.
	domains  int
	known    knownNames
	wide     bool // many ranges that overlap
	elements int
}

func newRandomWorld(t testing.TB, r *rand.Rand) *randomWorld {
	w := &randomWorld{t: t, r: r, wide: r.IntN(3) == 0}
	chance := func() int { return []int{0, 0, 5, 50, 95, 100}[r.IntN(6)] }
	w.ports, w.remotes, w.bounds = chance(), chance(), []int{0, 5, 50}[r.IntN(3)]
	if r.IntN(2) == 0 {
		w.ports, w.remotes = 50, 50
	}
	w.domains, w.known = []int{0, 0, 3, 30}[r.IntN(4)], knownNames{}
	for _, name := range randomDomains {
		for range r.IntN(6) {
			w.known[name] = append(w.known[name], Resolved{w.address(policy.Families[r.IntN(2)]), time.Hour})
		}
	}
	if r.IntN(2) == 0 {
		w.sourcePorts, w.locals, w.interfaces, w.owners, w.types, w.clocks = chance()/4, chance()/2, chance()/2, chance()/2, chance()/8, chance()/10
	}
	return w
}

func (w *randomWorld) is(percent int) bool { return w.r.IntN(100) < percent }

func (w *randomWorld) policy(n int) *policy.Policy {
	verdict := func() policy.Verdict { return policy.Verdict(1 + w.r.IntN(3)) }
	d := policy.Defaults{Inbound: verdict(), Outbound: verdict(), Forward: policy.ForwardBy(verdict())}
	l := policy.Log{Unmatched: w.is(50), Allowed: w.is(50), Group: 100}
	var rules []policy.Rule
	blocklists := w.r.IntN(5) * w.r.IntN(3)
	for i := range n {
		r := w.rule()
		for n := 0; asksLittle(&r) && !w.is(1) && n < 20; n++ {
			r = w.rule()
		}
		r.Name = policy.Name(fmt.Sprintf("r%d", i))
		r.Action, r.Log, r.Severity = verdict(), w.is(50), policy.Low
		w.bind(&r)
		if len(rules) < blocklists {
			r.Action, r.Traffic, r.Scope, r.Until, r.Schedule = policy.Block, policy.AnyTraffic{}, policy.Both{Ends: policy.Ends{Remote: w.addresses()}}, time.Time{}, nil
		}
		if p, _ := policy.New(d, l, []policy.Rule{r}, now); p != nil {
			rules = append(rules, r)
		}
	}
	p, problems := policy.New(d, l, rules, now)
	if p == nil {
		w.t.Fatal(problems)
	}
	return p
}

func (w *randomWorld) rule() policy.Rule {
	r := policy.Rule{Traffic: w.traffic(), Disabled: w.is(2)}
	ends := policy.Ends{}
	if w.is(w.remotes) {
		ends.Remote = w.addresses()
	}
	if w.is(w.locals) {
		ends.Local = w.addresses()
	}
	if w.is(w.interfaces) {
		ends.Interfaces = w.names()
	}
	switch w.r.IntN(6) {
	case 0, 1:
		r.Scope = policy.Inbound{Ends: ends}
	case 2, 3:
		out := policy.Outbound{Ends: ends}
		if w.is(w.owners) {
			out.Users = w.accounts()
		}
		if w.is(w.owners / 2) {
			out.Groups = w.accounts()
		}
		r.Scope = out
	case 4:
		r.Scope = policy.Both{Ends: ends}
	case 5:
		r.Scope = policy.Forwarded{From: ends.Remote, To: ends.Local, InInterfaces: ends.Interfaces}
		if w.is(w.interfaces) {
			r.Scope = policy.Forwarded{From: ends.Remote, To: ends.Local, InInterfaces: ends.Interfaces, OutInterfaces: w.names()}
		}
	}
	if w.is(w.clocks) {
		s, err := policy.NewSchedule([]time.Weekday{time.Weekday(w.r.IntN(7)), time.Saturday}, policy.ClockTime(w.r.IntN(700)), policy.ClockTime(720+w.r.IntN(700)))
		if err != nil {
			w.t.Fatal(err)
		}
		r.Schedule = s
	}
	if w.is(w.clocks) {
		r.Until = now.Add(time.Duration(1+w.r.IntN(100)) * time.Hour)
	}
	return r
}

// asksLittle tells whether a rule decides most packets, so that those after it seldom do.
func asksLittle(r *policy.Rule) bool {
	for _, d := range policy.Directions {
		m, ok := r.Match(d)
		if !ok {
			continue
		}
		asked := len(m.Users) + len(m.Groups) + len(m.InInterfaces) + len(m.OutInterfaces)
		for _, e := range []policy.Addresses{m.Source, m.Destination} {
			if !e.Any() {
				asked++
			}
		}
		switch m.Traffic.(type) {
		case policy.OnPorts, policy.OfICMPTypes:
			asked++
		}
		if asked == 0 {
			return true
		}
	}
	return false
}

// some draws one value, seldom more.
func some[T any](r *rand.Rand, draw func() T) []T {
	out := []T{draw()}
	for r.IntN(3) == 0 {
		out = append(out, draw())
	}
	return out
}

func (w *randomWorld) flow(p *policy.Policy) policy.Flow {
	f := policy.Flow{
		Direction: policy.Directions[w.r.IntN(3)], Family: policy.Families[w.r.IntN(2)],
		// Never at an edge, to which the kernel's windows add a nanosecond.
		Time: policy.Known(now.Add(time.Duration(w.r.IntN(100*60))*time.Minute + 30*time.Second)),
	}
	f.Source, f.Destination = policy.Known(w.address(f.Family)), policy.Known(w.address(f.Family))
	for _, list := range w.known {
		if w.is(10) && len(list) > 0 && familyOf(list[0].Address) == f.Family {
			f.Destination = policy.Known(list[0].Address)
			if w.is(50) {
				f.Source, f.Destination = f.Destination, f.Source
			}
		}
	}
	list := []policy.Protocol{policy.TCP, policy.TCP, policy.UDP, policy.UDP, policy.SCTP, policy.ICMP, policy.ICMPv6, policy.GRE, 253, 99}
	for f.Protocol == 0 || !f.Protocol.In(f.Family) {
		f.Protocol = list[w.r.IntN(len(list))]
	}
	if f.Protocol.HasPorts() {
		f.SourcePort, f.DestinationPort = policy.Known(w.port()), policy.Known(w.port())
	}
	if f.Protocol == policy.ICMP || f.Protocol == policy.ICMPv6 {
		f.ICMPType = policy.Known([]uint8{8, 13, 15, 17, 128, 139, 3, 135}[w.r.IntN(8)])
	}
	name := func() policy.Field[string] {
		return policy.Known(append(slices.Clone(randomNames), "ethernet", "wlan1", "x")[w.r.IntN(len(randomNames)+3)])
	}
	if f.Direction != policy.Out {
		f.InInterface = name()
	}
	if f.Direction != policy.In {
		f.OutInterface = name()
	}
	if f.Direction == policy.Out {
		f.User, f.Group = policy.Known(uint32(995+w.r.IntN(50))), policy.Known(uint32(995+w.r.IntN(50)))
	}
	return f
}
