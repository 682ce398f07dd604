package enforce

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pfw/config/policy"
)

var (
	simulatedFlows = flag.Int("flows", 40_000, "how many flows TestCompiledAndLinearAgree simulates, `N`")
	simulatedSeed  = flag.Uint64("seed", 0, "of what is random, `N`; 0 draws one; it is printed")
)

// drawnSeed is the seed of this run, printed so that it can be repeated.
func drawnSeed(t testing.TB) uint64 {
	t.Helper()
	seed := *simulatedSeed
	if seed == 0 {
		seed = rand.Uint64()>>12 | 1
	}
	t.Logf("seed %d", seed)
	return seed
}

// What a rule says is one thing, how it is compiled another: first to last, compiled, and by the policy's own word.
func TestCompiledAndLinearAgree(t *testing.T) {
	seed := drawnSeed(t)
	const perPolicy = 2000
	var lookups, lines, most, early int
	for i := range max(1, *simulatedFlows/perPolicy) {
		r := rand.New(rand.NewPCG(seed+uint64(i), 3))
		w := newRandomWorld(t, r)
		p := w.policy([]int{1000, 1000, 300, 60, 20}[r.IntN(5)])
		ends, banned := w.is(50), w.is(50)
		compiled, linear := Compile(p, Options{Now: now, EndsHere: ends, Banned: banned, Resolver: w.known.of}), Compile(p, Options{Now: now, linear: true, Resolver: w.known.of})
		fast, slow := newSimulator(t, compiled), newSimulator(t, linear)
		if got, room := size(compiled), 3*size(linear)+w.elements*budgetPerLine; got > room {
			t.Errorf("seed %d: size %d of %d rules that are %d in line", seed+uint64(i), got, len(p.Rules()), size(linear))
		}
		shape := compiled.Shape()
		if n := walked(compiled); n > 50*size(compiled) {
			t.Errorf("seed %d: the kernel goes over %d, of %d", seed+uint64(i), n, size(compiled))
		}
		for range perPolicy {
			f := w.flow(p)
			f.Names = w.known
			d := p.Judge(f)
			if d.Rule != nil {
				f.Over = map[policy.Name]policy.Bound{d.Rule.Name: w.bound(d.Rule, p.NeverBans(remoteOfFlow(&f)))}
				d = p.Judge(f)
			}
			want := outcome{verdict: d.Verdict, counter: "always/" + d.By, over: d.Over}
			if d.Rule != nil {
				want.counter = "rule/" + d.By
			} else if d.By == "default" {
				want.counter = "default/" + f.Direction.String()
			}
			before := fast.lookups
			got, also := fast.run(&f), slow.run(&f)
			most = max(most, fast.lookups-before)
			// One more is for what is always in force.
			if n := fast.lookups - before; n > shape.Most+1 {
				t.Errorf("seed %d: %d lookups, where %d are said to be the most: %+v", seed+uint64(i), n, shape.Most, f)
			}
			if got.verdict != want.verdict || got.counter != want.counter || got.over != want.over || got != also {
				t.Fatalf("seed %d -flows 1: %+v\n  Judge:    %+v\n  compiled: %+v\n  linear:   %+v", seed+uint64(i), f, want, got, also)
			}
		}
		lookups, lines, early = lookups+fast.asked, lines+slow.asked, early+fast.dropped
	}
	t.Logf("%d rules were asked where it were %d in line; the most lookups for one packet are %d; %d packets were dropped early", lookups, lines, most, early)
}

// size counts what is sent to the kernel: rules and elements.
func size(r Ruleset) int {
	n := 0
	for _, c := range r.chains {
		n += 1 + len(c.rules)
	}
	for _, s := range r.sets {
		n += 1 + s.count
	}
	return n
}

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

// knownNames are addresses that names have.
type knownNames map[policy.Domain][]Resolved

func (k knownNames) Named(d policy.Domain, a netip.Addr) (now, once bool) {
	now = slices.ContainsFunc(k[d], func(r Resolved) bool { return r.Address == a })
	return now, now
}

func (k knownNames) of(d policy.Domain) []Resolved { return k[d] }

var randomDomains = []policy.Domain{domainOf("example.com"), domainOf("www.example.com"), domainOf("*.example.com"), domainOf("example.net"), domainOf("example.org")}

func domainOf(s string) policy.Domain {
	d, err := policy.ParseDomain(s)
	if err != nil {
		panic(err)
	}
	return d
}

func (w *randomWorld) someDomains() policy.Domains {
	list := make([]policy.Domain, 1+w.r.IntN(3))
	for i := range list {
		list[i] = randomDomains[w.r.IntN(len(randomDomains))]
	}
	return policy.NewDomains(list...)
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

// bind gives a rule bounds, now and then.
func (w *randomWorld) bind(r *policy.Rule) {
	per := func() policy.Per { return policy.Per(1 + w.r.IntN(2)) }
	rate := policy.Rate{Packets: 1 + uint32(w.r.IntN(100)), Per: []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}[w.r.IntN(4)]}
	if w.is(w.bounds) && r.Action != policy.Block {
		r.Limit = &policy.Limit{Rate: rate, Burst: 1 + uint32(w.r.IntN(100)), Per: per()}
	}
	if w.is(w.bounds) && r.Action == policy.Allow {
		r.MaxConnections = &policy.MaxConnections{Count: 1 + uint32(w.r.IntN(100)), Per: per()}
	}
	if w.is(w.bounds) {
		r.Ban = &policy.BanOver{Over: rate, For: time.Duration(1+w.r.IntN(1000)) * time.Second}
	}
}

// remoteOfFlow is whom a rule counts the flow for.
func remoteOfFlow(f *policy.Flow) netip.Prefix {
	end := f.Source
	if f.Direction == policy.Out {
		end = f.Destination
	}
	a, _ := end.Get()
	return Remote(a)
}

// bound draws one of the rule's bounds, or none; spared says that the remote is never banned.
func (w *randomWorld) bound(r *policy.Rule, spared bool) policy.Bound {
	all := []policy.Bound{0}
	if r.Limit != nil {
		all = append(all, policy.ByLimit)
	}
	if r.MaxConnections != nil {
		all = append(all, policy.ByConnections)
	}
	if r.Ban != nil && !spared {
		all = append(all, policy.ByBan, policy.ByFullBan)
	}
	return all[w.r.IntN(len(all))]
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

func (w *randomWorld) traffic() policy.Traffic {
	switch {
	case w.is(w.types):
		return policy.OfICMPTypes{V4: some(w.r, func() uint8 { return []uint8{8, 13, 15, 17}[w.r.IntN(4)] }), V6: []uint8{128, 139}[:w.r.IntN(3)]}
	case w.is(w.ports):
		t, err := policy.NewOnPorts(
			[]policy.Protocol{policy.TCP, policy.UDP, policy.SCTP}[w.r.IntN(3):][:w.r.IntN(2)],
			w.portSet(w.is(90)), w.portSet(w.is(w.sourcePorts)))
		if err != nil {
			w.t.Fatal(err)
		}
		return t
	case w.is(40):
		list := []policy.Protocol{policy.TCP, policy.UDP, policy.ICMP, policy.ICMPv6, policy.GRE, policy.ESP, 253}
		return policy.OfProtocols{Protocols: some(w.r, func() policy.Protocol { return list[w.r.IntN(len(list))] })}
	}
	return policy.AnyTraffic{}
}

func (w *randomWorld) portSet(asked bool) policy.PortSet {
	if !asked {
		return policy.PortSet{}
	}
	return policy.Ports(some(w.r, func() policy.PortRange {
		w.elements++
		p := w.port()
		if w.wide {
			return policy.PortRange{First: p, Last: w.port()}
		}
		return policy.PortRange{First: p, Last: max(p, p+uint16(w.r.IntN(4)*w.r.IntN(4)))}
	})...)
}

func (w *randomWorld) port() uint16 {
	if w.r.IntN(20) == 0 {
		return []uint16{0, 1, 65534, 65535}[w.r.IntN(4)]
	}
	return uint16(1000 + w.r.IntN(1500))
}

// address draws of two small networks, so that prefixes and ranges nest, overlap and touch.
func (w *randomWorld) address(f policy.Family) netip.Addr {
	if f == policy.IPv4 {
		if w.r.IntN(30) == 0 {
			return []netip.Addr{netip.MustParseAddr("1.0.0.0"), netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("223.255.255.255")}[w.r.IntN(3)]
		}
		return netip.AddrFrom4([4]byte{10, byte(w.r.IntN(4)), byte(w.r.IntN(32)), byte(w.r.IntN(64))})
	}
	if w.r.IntN(30) == 0 {
		return []netip.Addr{netip.MustParseAddr("::2"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}[w.r.IntN(2)]
	}
	return netip.AddrFrom16([16]byte{0xfd, 0, byte(w.r.IntN(4)), byte(w.r.IntN(32)), 15: byte(w.r.IntN(64))})
}

func (w *randomWorld) addresses() policy.Addresses {
	var in, out policy.AddressBuilder
	n := 1 + w.r.IntN(2)
	long := w.r.IntN(50) == 0
	if long {
		n = mostRuns + w.r.IntN(3000)
	}
	named := false
	for range n {
		f := policy.Families[w.r.IntN(2)]
		w.elements++
		b := &in
		if w.r.IntN(12) == 0 {
			b = &out
		} else {
			named = true
		}
		a := w.address(f)
		if !long && (w.wide || w.r.IntN(8) == 0) {
			z := w.address(f)
			if z.Less(a) {
				a, z = z, a
			}
			if err := b.Add(a, z); err != nil {
				w.t.Fatal(err)
			}
			continue
		}
		bits := a.BitLen() - []int{0, 0, 0, 1, 2, 4, 6, 8, 16, 24}[w.r.IntN(10)]
		if long {
			bits = a.BitLen() - w.r.IntN(3)*w.r.IntN(3)
		}
		if err := b.AddPrefix(netip.PrefixFrom(a, bits)); err != nil {
			w.t.Fatal(err)
		}
	}
	set := in.Set()
	if !named {
		set = policy.AllAddresses()
	}
	less := out.Set()
	if !w.is(w.domains) {
		return policy.NewAddresses(set.Without(less), "some")
	}
	if !w.is(50) && named {
		set = new(policy.AddressSet)
	}
	all := policy.NewAddresses(set.Without(less), "some")
	if named {
		all = all.Or(w.someDomains(), less)
	}
	if !named || w.is(30) {
		all = all.Except(w.someDomains())
	}
	return all
}

var randomNames = []string{"eth0", "eth1", "eth10", "eth", "wlan0", "wg-home", "abcdefghijklmno"}

func (w *randomWorld) names() []policy.Interface {
	patterns := append(slices.Clone(randomNames), "eth*", "eth1*", "e*", "w*", "wlan*", "abcdefghijklmno*")
	return interfaces(w.t, some(w.r, func() string { return patterns[w.r.IntN(len(patterns))] })...)
}

func (w *randomWorld) accounts() []policy.Account {
	return some(w.r, func() policy.Account { return policy.Account{ID: uint32(1000 + w.r.IntN(40))} })
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

// A packet that no rule asks about is through after a few questions, whatever the number of rules.
func TestPathsAreShort(t *testing.T) {
	for _, n := range sizes {
		s := newSimulator(t, Compile(manyRules(t, n), Options{Now: now}))
		f := policy.Flow{Direction: policy.In, Family: policy.IPv4, Protocol: policy.TCP, SourcePort: policy.Known(uint16(50000)), DestinationPort: policy.Known(uint16(59999)),
			Source: policy.Known(netip.MustParseAddr("198.51.100.1")), Destination: policy.Known(netip.MustParseAddr("192.0.2.10")), InInterface: policy.Known("eth0")}
		if got := s.run(&f); got.counter != "default/in" {
			t.Errorf("%d rules: %s decides", n, got.counter)
		}
		t.Logf("%d rules: %d asked, %d lookups", n, s.asked, s.lookups)
		if s.lookups > 6 {
			t.Errorf("%d rules: %d lookups", n, s.lookups)
		}
	}
}

// Nor with a long list among the rules: a lookup tells that the packet is near none of its entries.
func TestPathsAreShortWithALongList(t *testing.T) {
	d := drift{rand.New(rand.NewPCG(1, 1)), map[netip.Prefix]bool{}}
	d.add(4000)
	list := policy.Rule{Name: "list", Action: policy.Block, Scope: policy.Inbound{Ends: policy.Ends{Remote: d.list(t)}}}
	for _, n := range []int{100, 1000} {
		var rules []policy.Rule
		for _, r := range mixedRules(t, 0, n).Rules() {
			rules = append(rules, *r)
		}
		for _, port := range []uint16{59999, 1000} {
			var least int
			for _, place := range []int{-1, 0, n / 2, n} {
				all := slices.Clone(rules)
				if place >= 0 {
					all = slices.Insert(all, place, list)
				}
				s := newSimulator(t, Compile(build(t, standard, logging, all...), Options{Now: now}))
				f := policy.Flow{Direction: policy.In, Family: policy.IPv4, Protocol: policy.TCP, SourcePort: policy.Known(uint16(50000)), DestinationPort: policy.Known(port),
					Source: policy.Known(netip.MustParseAddr("198.51.100.1")), Destination: policy.Known(netip.MustParseAddr("192.0.2.10")), InInterface: policy.Known("eth0")}
				got := s.run(&f)
				if place < 0 {
					least = s.lookups
				}
				t.Logf("%d rules, port %d, list at %d: %s after %d asked, %d lookups", n, port, place, got.counter, s.asked, s.lookups)
				if s.lookups > least+3 {
					t.Errorf("%d rules, list at %d: %d lookups, without it %d", n, place, s.lookups, least)
				}
			}
		}
	}
}
