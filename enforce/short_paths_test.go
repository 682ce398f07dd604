package enforce

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pfw/config/policy"
)

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
