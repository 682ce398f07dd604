package policy

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// point is a run of addresses that no set of the test divides. The model of a set is which points it holds.
type point struct{ first, last netip.Addr }

// points lists the lowest and the highest addresses of a family one by one, and what lies between them as one: the
// ends are where arithmetic goes wrong.
func points(f Family) []point {
	zero, top := netip.IPv4Unspecified(), netip.MustParseAddr("255.255.255.255")
	if f == IPv6 {
		zero, top = netip.IPv6Unspecified(), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	}
	const n = 6
	var low, high []point
	for range n {
		low = append(low, point{zero, zero})
		high = append([]point{{top, top}}, high...)
		zero, top = zero.Next(), top.Prev()
	}
	return append(append(low, point{zero, top}), high...)
}

type model [2][]bool

func emptyModel() (m model) {
	for i, f := range Families {
		m[i] = make([]bool, len(points(f)))
	}
	return m
}

// drawSet makes a set and its model.
func drawSet(t *rapid.T, label string) (*AddressSet, model) {
	m := emptyModel()
	var b AddressBuilder
	for i, f := range Families {
		ps := points(f)
		for range rapid.IntRange(0, 4).Draw(t, label) {
			from := rapid.IntRange(0, len(ps)-1).Draw(t, "from")
			to := rapid.IntRange(from, len(ps)-1).Draw(t, "to")
			if err := b.Add(ps[from].first, ps[to].last); err != nil {
				t.Fatal(err)
			}
			for j := from; j <= to; j++ {
				m[i][j] = true
			}
		}
	}
	return b.Set(), m
}

// combine computes a model point by point.
func combine(a, b model, f func(a, b bool) bool) model {
	m := emptyModel()
	for i := range m {
		for j := range m[i] {
			m[i][j] = f(a[i][j], b[i][j])
		}
	}
	return m
}

// same holds a set against its model.
func same(t *rapid.T, what string, s *AddressSet, m model) {
	t.Helper()
	for i, f := range Families {
		ranges, some, every, in := 0, false, true, false
		for j, p := range points(f) {
			for _, a := range []netip.Addr{p.first, p.last} {
				if s.Contains(a) != m[i][j] {
					t.Fatalf("%s: %s: contained %t", what, a, !m[i][j])
				}
			}
			some, every = some || m[i][j], every && m[i][j]
			if m[i][j] && !in {
				ranges++
			}
			in = m[i][j]
		}
		if s.Empty(f) == some || s.All(f) != every || s.Len(f) != ranges {
			t.Fatalf("%s: %s: empty %t, all %t, %d ranges, want %d", what, f, s.Empty(f), s.All(f), s.Len(f), ranges)
		}
		var before netip.Addr
		for r := range s.Ranges(f) {
			if r.Last.Less(r.First) || before.IsValid() && !before.Next().Less(r.First) {
				t.Fatalf("%s: range %s-%s after %s", what, r.First, r.Last, before)
			}
			before = r.Last
		}
	}
}

func TestAddressSetsAreSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ma := drawSet(t, "a")
		b, mb := drawSet(t, "b")
		same(t, "a", a, ma)
		same(t, "a ∪ b", Union(a, b), combine(ma, mb, func(a, b bool) bool { return a || b }))
		same(t, "a − b", a.Without(b), combine(ma, mb, func(a, b bool) bool { return a && !b }))
		same(t, "complement", a.Complement(), combine(ma, mb, func(a, _ bool) bool { return !a }))
		same(t, "a is unchanged", a, ma)
		covers := true
		for i := range ma {
			for j := range ma[i] {
				covers = covers && (ma[i][j] || !mb[i][j])
			}
		}
		if a.Covers(b) != covers || !a.Covers(a.Without(b)) || !Union(a, b).Covers(b) {
			t.Fatalf("covers %t, want %t", a.Covers(b), covers)
		}
		only := a.Only(IPv4)
		if !only.Empty(IPv6) || only.Len(IPv4) != a.Len(IPv4) {
			t.Fatal("only IPv4 is more than that")
		}
	})
}

func TestOneSetIsShared(t *testing.T) {
	a, b := AllAddresses(), AllAddresses()
	if Union(a) != a {
		t.Error("the union of one set is a copy")
	}
	if u := Union(a, b); u == a || u == b {
		t.Error("the union of two sets is one of them")
	}
	if u := Union(); !u.Empty(IPv4) || !u.Empty(IPv6) {
		t.Error("the union of nothing holds something")
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	addr := netip.MustParseAddr
	for _, c := range []struct{ first, last netip.Addr }{
		{netip.Addr{}, netip.Addr{}}, {addr("10.0.0.1"), netip.Addr{}}, {addr("10.0.0.2"), addr("10.0.0.1")}, {addr("10.0.0.1"), addr("fd00::1")},
		{addr("::ffff:10.0.0.1"), addr("::ffff:10.0.0.1")}, {addr("fe80::1%eth0"), addr("fe80::1%eth0")},
	} {
		var b AddressBuilder
		if b.Add(c.first, c.last) == nil {
			t.Errorf("%s-%s is taken", c.first, c.last)
		}
		if s := b.Set(); !s.Empty(IPv4) || !s.Empty(IPv6) {
			t.Errorf("%s-%s left something", c.first, c.last)
		}
	}
	if new(AddressBuilder).AddPrefix(netip.Prefix{}) == nil {
		t.Error("no prefix is taken")
	}
}

func TestRangesAndPrefixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "a")))
		if rapid.Bool().Draw(t, "six") {
			a = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "a")))
		}
		p := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
		r := RangeOf(p)
		if back, ok := r.Prefix(); !ok || back != p.Masked() {
			t.Fatalf("%s is %s-%s and back %s", p, r.First, r.Last, back)
		}
		if !p.Contains(r.First) || !p.Contains(r.Last) || p.Contains(r.First.Prev()) || p.Contains(r.Last.Next()) {
			t.Fatalf("%s is %s-%s", p, r.First, r.Last)
		}
	})
	if p, ok := (AddressRange{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}).Prefix(); ok {
		t.Errorf("10.0.0.1-10.0.0.2 is %s", p)
	}
}

func TestAddressOfAPacketMayBeMapped(t *testing.T) {
	var b AddressBuilder
	if err := b.AddPrefix(netip.MustParsePrefix("10.0.0.0/8")); err != nil {
		t.Fatal(err)
	}
	s := b.Set()
	if !s.Contains(netip.MustParseAddr("::ffff:10.0.0.1")) || s.Contains(netip.Addr{}) {
		t.Error("an address as the kernel gives it is taken for another")
	}
}
