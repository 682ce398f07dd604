package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plainHidden compares each rule with each before it: what hidden finds without doing so.
func plainHidden(rules []*Rule) []Problem {
	var out []Problem
	for i, r := range rules {
		if r.Disabled {
			continue
		}
		for _, earlier := range rules[:i] {
			if !earlier.Disabled && plainTakesAll(earlier, r) {
				out = append(out, hides(earlier, r, i))
				break
			}
		}
	}
	return out
}

func plainTakesAll(a, b *Rule) bool {
	if !a.Until.IsZero() && (b.Until.IsZero() || a.Until.Before(b.Until)) {
		return false
	}
	for _, d := range Directions {
		mb, ok := b.Match(d)
		if !ok {
			continue
		}
		ma, ok := a.Match(d)
		if !ok || !coversTraffic(ma.Traffic, mb.Traffic, new(int)) || !ma.Schedule.covers(mb.Schedule) ||
			!plainCovers(ma.InInterfaces, mb.InInterfaces, plainInterface) || !plainCovers(ma.OutInterfaces, mb.OutInterfaces, plainInterface) ||
			!plainCovers(ma.Users, mb.Users, sameAccount) || !plainCovers(ma.Groups, mb.Groups, sameAccount) {
			return false
		}
		for _, f := range mb.Families() {
			if !ma.Source.Set().Only(f).Covers(mb.Source.Set().Only(f)) || !ma.Destination.Set().Only(f).Covers(mb.Destination.Set().Only(f)) {
				return false
			}
		}
	}
	return true
}

func plainInterface(a, b Interface) bool { return a == b || a.prefix && a.Matches(b.name) }

func sameAccount(a, b Account) bool { return a.ID == b.ID }

func plainCovers[T any](a, b []T, covers func(a, b T) bool) bool {
	return len(a) == 0 || len(b) > 0 && !slices.ContainsFunc(b, func(y T) bool {
		return !slices.ContainsFunc(a, func(x T) bool { return covers(x, y) })
	})
}

// drawWide is drawRule with lists of any length, up to more than are looked up one by one, and with lists that are empty.
func drawWide(t *rapid.T, i int) Rule {
	r := drawRule(t, i)
	switch rapid.IntRange(0, 7).Draw(t, "wide") {
	case 0:
		ports := func(label string, most int) PortSet {
			var out []PortRange
			for _, p := range rapid.SliceOfN(rapid.IntRange(0, 40), 0, most).Draw(t, label) {
				out = append(out, PortRange{uint16(p * 2), uint16(p*2 + p%2*5)})
			}
			return Ports(out...)
		}
		on, err := NewOnPorts(some(t, "protocols", []Protocol{TCP, UDP, SCTP}, 3), ports("wide ports", 60), ports("source ports", 2))
		if err != nil {
			t.Fatal(err)
		}
		r.Traffic = on
	case 1, 2:
		var b AddressBuilder
		for _, n := range rapid.SliceOfN(rapid.Uint8(), 0, 60).Draw(t, "wide addresses") {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n % 3, n & 0xf0, n}), rapid.SampledFrom([]int{8, 16, 20, 28, 32}).Draw(t, "bits"))
			if n%5 == 0 {
				p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 15: n}), rapid.SampledFrom([]int{8, 120, 128}).Draw(t, "bits"))
			}
			if err := b.AddPrefix(p); err != nil {
				t.Fatal(err)
			}
		}
		r.Scope = Inbound{Ends{Remote: NewAddresses(b.Set(), "wide")}}
	case 3:
		var users []Account
		for _, id := range rapid.SliceOfN(rapid.Uint32Max(30), 0, 40).Draw(t, "wide users") {
			users = append(users, Account{ID: id})
		}
		r.Scope = Outbound{Users: users}
	case 4:
		var list []Interface
		for _, name := range rapid.SliceOfN(rapid.StringMatching(`[ew][a-c]{0,2}\*?`), 0, 40).Draw(t, "wide interfaces") {
			list = append(list, eth(name)...)
		}
		r.Scope = Both{Ends{Interfaces: list}}
	case 5:
		r.Traffic = AnyTraffic{}
	}
	return r
}

func TestHiddenIsWhatThePlainWayFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Policy{defaults: Defaults{Inbound: Block, Outbound: Allow, Forward: ForwardBy(Block)}, byName: map[Name]*Rule{}}
		for i := range rapid.IntRange(0, 12).Draw(t, "rules") {
			r := drawWide(t, i)
			if i > 0 && rapid.IntRange(0, 3).Draw(t, "again") == 0 {
				again := p.rules[rapid.IntRange(0, i-1).Draw(t, "which")]
				r.Scope = again.Scope
				if rapid.Bool().Draw(t, "same traffic") {
					r.Traffic = again.Traffic
				}
			}
			r.settle()
			p.rules = append(p.rules, &r)
			p.byName[r.Name] = &r
		}
		var one []Problem
		for i, r := range p.rules {
			if by, _ := p.Hider(r.Name); by != nil {
				one = append(one, hides(by, r, i))
			}
		}
		if d := cmp.Diff(one, p.hidden()); d != "" {
			t.Fatalf("one at a time and all at once: %s", d)
		}
		if d := cmp.Diff(plainHidden(p.rules), p.hidden()); d != "" {
			for _, r := range p.rules {
				t.Log(r.Text())
			}
			t.Fatal(d)
		}
	})
}

// A rule with many items is looked up by the first of them, and found under a rule with a few that hold them all.
func TestFewHideMany(t *testing.T) {
	var addresses []string
	var interfaces []Interface
	var ports []PortRange
	for i := range 40 {
		addresses = append(addresses, fmt.Sprintf("10.0.%d.1/32", i), fmt.Sprintf("192.168.0.%d/32", 2*i))
		interfaces = slices.Concat(interfaces, eth(fmt.Sprint("eth", i)), eth(fmt.Sprint("wlan", i)))
		ports = append(ports, PortRange{uint16(100 + 2*i), uint16(100 + 2*i)}, PortRange{uint16(50_000 + 2*i), uint16(50_000 + 2*i)})
	}
	on := func(ranges ...PortRange) Traffic {
		on, err := NewOnPorts(nil, Ports(ranges...), PortSet{})
		if err != nil {
			t.Fatal(err)
		}
		return on
	}
	for _, c := range []struct {
		name      string
		few, many Rule
	}{
		{"addresses", Rule{Scope: Inbound{Ends{Remote: set(t, "10.0.0.0/8", "192.168.0.0/16")}}, Traffic: AnyTraffic{}}, Rule{Scope: Inbound{Ends{Remote: set(t, addresses...)}}, Traffic: AnyTraffic{}}},
		{"no address", Rule{Scope: Inbound{Ends{Remote: set(t, "10.0.0.0/8")}}, Traffic: AnyTraffic{}}, Rule{Scope: Inbound{Ends{Remote: NewAddresses(new(AddressSet), "@empty")}}, Traffic: AnyTraffic{}}},
		{"interfaces", Rule{Scope: Inbound{Ends{Interfaces: slices.Concat(eth("eth*"), eth("wl*"))}}, Traffic: AnyTraffic{}}, Rule{Scope: Inbound{Ends{Interfaces: interfaces}}, Traffic: AnyTraffic{}}},
		{"ports", Rule{Scope: Inbound{}, Traffic: on(PortRange{100, 200}, PortRange{50_000, 51_000})}, Rule{Scope: Inbound{}, Traffic: on(ports...)}},
	} {
		c.few.Name, c.many.Name, c.few.Action, c.many.Action = "few", "many", Allow, Block
		_, problems := New(standard, Log{}, []Rule{c.few, c.many}, worldTime)
		if len(problems) != 1 || problems[0].Message != "rule many can never match: the earlier rule few takes all that it asks for" {
			t.Errorf("%s: %v", c.name, problems)
		}
		if _, problems = New(standard, Log{}, []Rule{c.many, c.few}, worldTime); len(problems) > 0 {
			t.Errorf("%s, the other way round: %v", c.name, problems)
		}
	}
}

// shapesOfFiles are how the rules of large files differ.
var shapesOfFiles = []struct {
	name string
	rule func(i int) Rule
}{
	{"ports", func(i int) Rule { return Rule{Scope: Inbound{}, Traffic: port(i), Action: Block} }},
	{"addresses", func(i int) Rule {
		return Rule{Scope: Inbound{Ends{Remote: oneAddress(i)}}, Traffic: AnyTraffic{}, Action: Block}
	}},
	{"addresses of one port", func(i int) Rule {
		return Rule{Scope: Inbound{Ends{Remote: oneAddress(i)}}, Traffic: port(22), Action: Block}
	}},
	{"users", func(i int) Rule {
		return Rule{Scope: Outbound{Users: []Account{{ID: uint32(i)}}}, Traffic: AnyTraffic{}, Action: Block}
	}},
	{"interfaces", func(i int) Rule {
		return Rule{Scope: Both{Ends{Interfaces: []Interface{{fmt.Sprint("veth", i), false}}}}, Traffic: port(22), Action: Block}
	}},
	{"addresses of several ports", func(i int) Rule {
		on, err := NewOnPorts(nil, Ports(PortRange{22, 22}, PortRange{80, 90}, PortRange{443, 443}), PortSet{})
		if err != nil {
			panic(err)
		}
		return Rule{Scope: Inbound{Ends{Remote: oneAddress(i)}}, Traffic: on, Action: Block}
	}},
}

func port(n int) Traffic {
	on, err := NewOnPorts(nil, Ports(PortRange{uint16(1 + n), uint16(1 + n)}), PortSet{})
	if err != nil {
		panic(err)
	}
	return on
}

func oneAddress(i int) Addresses {
	var b AddressBuilder
	if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)); err != nil {
		panic(err)
	}
	return NewAddresses(b.Set(), fmt.Sprint(i))
}

func rulesOf(n int, make func(int) Rule) []Rule {
	var out []Rule
	for i := range n {
		r := make(i)
		r.Name, r.Severity = Name(fmt.Sprint("r", i)), Low
		out = append(out, r)
	}
	return out
}

// A large file of ordinary rules is compared without a look at each pair, and all of it.
func TestLargeFilesAreComparedAtOnce(t *testing.T) {
	const n = 10_000
	for _, s := range shapesOfFiles {
		rules := append(rulesOf(n, s.rule), rulesOf(n, s.rule)...)
		for i := range n {
			rules[n+i].Name += "-again"
		}
		start := time.Now()
		_, problems := New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, rules, worldTime)
		// Comparing each pair takes a minute.
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %s", s.name, took)
		}
		if len(problems) != n {
			t.Fatalf("%s: %d problems", s.name, len(problems))
		}
		for i, x := range problems {
			if want := fmt.Sprintf("rule r%d-again is a duplicate of rule r%d", i, i); x.Message != want {
				t.Fatalf("%s: got %s, want %s", s.name, x.Message, want)
			}
		}
	}
}

// Rules that are made to be alike in all by which they are told apart cost no more than patience, and that is said.
func TestComparisonHasAnEnd(t *testing.T) {
	types := func(i int) Rule {
		// Each asks for other days at another time, so that none hides another.
		s, err := NewSchedule([]time.Weekday{time.Sunday}, ClockTime(i%1440), ClockTime((i+1+i/1440)%1440))
		if err != nil {
			panic(err)
		}
		return Rule{Scope: Inbound{}, Traffic: AnyTraffic{}, Action: Block, Schedule: s}
	}
	start := time.Now()
	_, problems := New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, rulesOf(20_000, types), worldTime)
	if took := time.Since(start); took > 30*time.Second {
		t.Error(took)
	}
	if n := len(problems); n != 1 || problems[0].Message != fmt.Sprintf("the rules after r%d are not held against those before them, as too many are alike", problems[0].Rule) {
		t.Errorf("%d problems: %+v", n, problems[:min(n, 3)])
	}
}

func BenchmarkHidden(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for _, s := range shapesOfFiles {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				p, problems := New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, rulesOf(n, s.rule), worldTime)
				if len(problems) > 0 {
					b.Fatal(problems)
				}
				for b.Loop() {
					p.hidden()
				}
			})
		}
	}
}
