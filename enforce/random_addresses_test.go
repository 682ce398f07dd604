package enforce

import (
	"net/netip"

	"pfw/config/policy"
)

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
