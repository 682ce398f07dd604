package policy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A small world, so that random rules and packets meet often.
var (
	worldInterfaces = []string{"lo", "eth0", "eth1", "ethernet", "enp3", "wlan0", "x"}
	worldPatterns   = []string{"eth0", "eth*", "e*", "wlan0", "lo"}
	worldAccounts   = []uint32{0, 1, 2, 3}
	worldPrefixes   = []string{"10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "fd00::/8", "::/0"}
	worldAddresses  = map[Family][]string{IPv4: {"10.0.0.1", "10.1.0.1", "192.0.2.1"}, IPv6: {"fd00::1", "2001:db8::1"}}
	worldPorts      = []uint16{22, 23, 80}
	worldTypes      = []uint8{8, 13, 128}
	worldTime       = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC) // a Saturday
)

func some[T any](t *rapid.T, label string, of []T, most int) []T {
	return rapid.SliceOfN(rapid.SampledFrom(of), 0, most).Draw(t, label)
}

func drawAddresses(t *rapid.T, label string) Addresses {
	list := some(t, label, worldPrefixes, 2)
	if len(list) == 0 {
		return Addresses{}
	}
	var b AddressBuilder
	for _, s := range list {
		if err := b.AddPrefix(netip.MustParsePrefix(s)); err != nil {
			t.Fatal(err)
		}
	}
	return NewAddresses(b.Set(), fmt.Sprint(list))
}

func drawInterfaces(t *rapid.T, label string) []Interface {
	var out []Interface
	for _, s := range some(t, label, worldPatterns, 2) {
		out = append(out, eth(s)...)
	}
	return out
}

func drawTraffic(t *rapid.T) Traffic {
	ports := func(label string) PortSet {
		var out []PortRange
		for _, p := range some(t, label, worldPorts, 2) {
			out = append(out, PortRange{p, p + rapid.Uint16Max(1).Draw(t, "width")})
		}
		return Ports(out...)
	}
	switch rapid.IntRange(0, 3).Draw(t, "traffic") {
	case 0:
		return AnyTraffic{}
	case 1:
		return OfProtocols{rapid.SliceOfN(rapid.SampledFrom([]Protocol{TCP, UDP, ICMP, ICMPv6, GRE}), 1, 3).Draw(t, "protocols")}
	case 2:
		on, err := NewOnPorts(some(t, "protocols", []Protocol{TCP, UDP}, 2), ports("port"), ports("source port"))
		if err != nil {
			t.Fatal(err)
		}
		return on
	}
	return OfICMPTypes{some(t, "icmp", []uint8{8, 13}, 2), []uint8{128}}
}

func drawRule(t *rapid.T, i int) Rule {
	r := Rule{Name: Name(fmt.Sprintf("r%d", i)), Traffic: drawTraffic(t), Severity: Low,
		Action:   rapid.SampledFrom([]Verdict{Allow, Block, Reject}).Draw(t, "action"),
		Disabled: rapid.IntRange(0, 9).Draw(t, "disabled") == 0}
	ends := Ends{drawAddresses(t, "remote"), drawAddresses(t, "local"), drawInterfaces(t, "interface")}
	accounts := func(label string) (out []Account) {
		for _, id := range some(t, label, worldAccounts[:3], 2) {
			out = append(out, Account{ID: id})
		}
		return out
	}
	switch rapid.IntRange(0, 3).Draw(t, "scope") {
	case 0:
		r.Scope = Inbound{ends}
	case 1:
		r.Scope = Outbound{ends, accounts("user"), accounts("group")}
	case 2:
		r.Scope = Both{ends}
	case 3:
		r.Scope = Forwarded{ends.Remote, ends.Local, ends.Interfaces, drawInterfaces(t, "out interface")}
	}
	if rapid.IntRange(0, 4).Draw(t, "scheduled") == 0 {
		s, err := NewSchedule([]time.Weekday{rapid.SampledFrom([]time.Weekday{time.Saturday, time.Sunday}).Draw(t, "day")}, 0, 24*60)
		if err != nil {
			t.Fatal(err)
		}
		r.Schedule = s
	}
	if rapid.IntRange(0, 4).Draw(t, "ends") == 0 {
		r.Until = worldTime.Add(time.Duration(rapid.SampledFrom([]int{-1, 1, 2}).Draw(t, "until")) * time.Hour)
	}
	return r
}

// drawPolicy makes a policy, leaving out rules that cannot be.
func drawPolicy(t *rapid.T) (*Policy, []Problem) {
	d := Defaults{Inbound: Block, Outbound: rapid.SampledFrom([]Verdict{Allow, Reject}).Draw(t, "outbound"), Forward: ForwardBy(Block)}
	var rules []Rule
	for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
		r := drawRule(t, i)
		if p, _ := New(d, Log{}, []Rule{r}, worldTime); p != nil {
			rules = append(rules, r)
		}
	}
	p, problems := New(d, Log{}, rules, worldTime)
	if p == nil {
		t.Fatal(problems)
	}
	return p, problems
}

// drawFlow makes a packet of which all is known.
func drawFlow(t *rapid.T) Flow {
	f := Flow{
		Direction: rapid.SampledFrom(Directions).Draw(t, "direction"), Family: rapid.SampledFrom(Families).Draw(t, "family"),
		SourcePort:      Known(rapid.SampledFrom(worldPorts).Draw(t, "source port")),
		DestinationPort: Known(rapid.SampledFrom(worldPorts).Draw(t, "port")),
		ICMPType:        Known(rapid.SampledFrom(worldTypes).Draw(t, "type")),
		Time:            Known(worldTime),
	}
	f.Protocol = rapid.SampledFrom([]Protocol{TCP, UDP, ICMP, ICMPv6, GRE}).Filter(func(p Protocol) bool { return p.In(f.Family) }).Draw(t, "protocol")
	address := rapid.SampledFrom(worldAddresses[f.Family])
	f.Source = Known(netip.MustParseAddr(address.Draw(t, "source")))
	f.Destination = Known(netip.MustParseAddr(address.Draw(t, "destination")))
	name := rapid.SampledFrom(worldInterfaces)
	if f.Direction != Out {
		f.InInterface = Known(name.Draw(t, "in interface"))
	}
	if f.Direction != In {
		f.OutInterface = Known(name.Draw(t, "out interface"))
	}
	if f.Direction == Out {
		f.User, f.Group = Known(rapid.SampledFrom(worldAccounts).Draw(t, "user")), Known(rapid.SampledFrom(worldAccounts).Draw(t, "group"))
	}
	return f
}

// A rule that New calls hidden never decides.
func TestHiddenRulesNeverDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, problems := drawPolicy(t)
		never := map[*Rule]bool{}
		for _, x := range problems {
			if x.Key == "" {
				never[p.Rules()[x.Rule]] = true
			}
		}
		for range 20 {
			f := drawFlow(t)
			if d := p.Decide(f); never[d.Rule] {
				t.Fatalf("rule %s decides %+v", d.By, f)
			}
		}
	})
}

// Decide and the quick way that Refused takes are one.
func TestJudgeIsDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPolicy(t)
		f := drawFlow(t)
		long, short := p.Decide(f), p.Judge(f)
		if long.Verdict != short.Verdict || long.By != short.By || long.Rule != short.Rule || long.Reason != short.Reason {
			t.Fatalf("%+v\n%+v", long, short)
		}
		for i, s := range long.Steps {
			if s.Matched != (i == len(long.Steps)-1 && long.Rule != nil) || s.Why == "" {
				t.Fatalf("step %d of %d: %+v", i, len(long.Steps), s)
			}
		}
	})
}

// Refused is what all possible packets have in common, tried one by one.
func TestRefusedIsRefusedWhateverTheUnknown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPolicy(t)
		f := drawFlow(t)
		f.Time = Known(worldTime)
		worlds := []Flow{f}
		vary := func(unknown bool, values int, set func(f *Flow, i int), forget func(f *Flow)) {
			if !unknown {
				return
			}
			forget(&f)
			var out []Flow
			for _, w := range worlds {
				for i := range values {
					set(&w, i)
					out = append(out, w)
				}
			}
			worlds = out
		}
		// Loopback is left out: no connection through it is judged.
		real := worldInterfaces[1:]
		unknown := func(label string) bool { return rapid.Bool().Draw(t, label) }
		vary(f.Direction != Out && unknown("in"), len(real), func(f *Flow, i int) { f.InInterface = Known(real[i]) }, func(f *Flow) { f.InInterface = Unknown[string]() })
		vary(f.Direction != In && unknown("out"), len(real), func(f *Flow, i int) { f.OutInterface = Known(real[i]) }, func(f *Flow) { f.OutInterface = Unknown[string]() })
		vary(f.Direction == Out && unknown("user"), len(worldAccounts), func(f *Flow, i int) { f.User = Known(worldAccounts[i]) }, func(f *Flow) { f.User = Unknown[uint32]() })
		vary(f.Direction == Out && unknown("group"), len(worldAccounts), func(f *Flow, i int) { f.Group = Known(worldAccounts[i]) }, func(f *Flow) { f.Group = Unknown[uint32]() })
		want := true
		for _, w := range worlds {
			want = want && p.Decide(w).Verdict.Refuses()
		}
		d, got := p.Refused(f)
		if got != want {
			t.Fatalf("refused %t of %+v by %s", got, f, d.By)
		}
		if got && !d.Verdict.Refuses() {
			t.Fatalf("refused with %s", d.Verdict)
		}
	})
}
