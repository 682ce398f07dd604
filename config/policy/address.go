package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync/atomic"
)

// AddressRange is a run of addresses of one family, both ends inclusive.
type AddressRange struct{ First, Last netip.Addr }

// AddressSet is an immutable set of IPv4 and IPv6 addresses. The zero value is the empty set.
type AddressSet struct {
	v4 spans[uint32]
	v6 spans[u128]

	// inverse is the complement, once it was asked for, of a set that is long.
	inverse atomic.Pointer[AddressSet]
}

// AddressBuilder gathers the addresses of a set.
type AddressBuilder struct {
	v4 []span[uint32]
	v6 []span[u128]
}

// Add puts a run of addresses, both ends inclusive, into the set to be. It refuses ends of two families, ends that are
// the wrong way round, zones and IPv4 addresses that are written as IPv6.
func (b *AddressBuilder) Add(first, last netip.Addr) error {
	for _, a := range []netip.Addr{first, last} {
		switch {
		case !a.IsValid():
			return errors.New("no address")
		case a.Is4In6():
			return fmt.Errorf("%s is an IPv4 address written as IPv6; write %s", a, a.Unmap())
		case a.Zone() != "":
			return fmt.Errorf("%s has a zone; name the interface with the key interface instead", a)
		}
	}
	switch {
	case first.Is4() != last.Is4():
		return fmt.Errorf("%s and %s are of two families", first, last)
	case last.Less(first):
		return fmt.Errorf("%s is above %s; write the lower end first", first, last)
	case first.Is4():
		b.v4 = append(b.v4, span[uint32]{number4(first), number4(last)})
	default:
		b.v6 = append(b.v6, span[u128]{number6(first), number6(last)})
	}
	return nil
}

// Grow makes room for so many IPv4 runs.
func (b *AddressBuilder) Grow(n int) { b.v4 = slices.Grow(b.v4, n) }

// AddPrefix puts a prefix, host bits masked, into the set to be.
func (b *AddressBuilder) AddPrefix(p netip.Prefix) error {
	if !p.IsValid() {
		return errors.New("no prefix")
	}
	return b.Add(p.Masked().Addr(), lastOf(p))
}

// RangeOf gives the addresses of a valid prefix, its host bits masked.
func RangeOf(p netip.Prefix) AddressRange { return AddressRange{p.Masked().Addr(), lastOf(p)} }

func lastOf(p netip.Prefix) netip.Addr {
	bits := p.Addr().AsSlice()
	for i := p.Bits(); i < len(bits)*8; i++ {
		bits[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(bits)
	return last
}

// Set gives the set, overlaps and duplicates merged. The builder is empty afterwards.
func (b *AddressBuilder) Set() *AddressSet {
	s := &AddressSet{v4: listOf(merge(b.v4)), v6: listOf(merge(b.v6))}
	*b = AddressBuilder{}
	return s
}

// AllAddresses gives the set of all addresses of both families.
func AllAddresses() *AddressSet { return new(AddressSet).Complement() }

// Union gives what is in any of the sets. A single set is given back as it is, so that rules share a list's memory.
func Union(sets ...*AddressSet) *AddressSet {
	if len(sets) == 1 {
		return sets[0]
	}
	var b AddressBuilder
	for _, s := range sets {
		b.v4 = s.v4.appendTo(b.v4)
		b.v6 = s.v6.appendTo(b.v6)
	}
	return b.Set()
}

// Complement gives all addresses of both families that are not in s.
func (s *AddressSet) Complement() *AddressSet {
	if c := s.inverse.Load(); c != nil {
		return c
	}
	c := &AddressSet{v4: complement(s.v4), v6: complement(s.v6)}
	if s.v4.long != nil || s.v6.long != nil {
		// A rule that excludes a list is compiled as what it leaves out.
		c.inverse.Store(s)
		s.inverse.Store(c)
	}
	return c
}

// Without gives what is in s and not in other.
func (s *AddressSet) Without(other *AddressSet) *AddressSet {
	c := other.Complement()
	return &AddressSet{v4: intersect(s.v4, c.v4), v6: intersect(s.v6, c.v6)}
}

// Only gives what is in s of one family.
func (s *AddressSet) Only(f Family) *AddressSet {
	if f == IPv4 {
		return &AddressSet{v4: s.v4}
	}
	return &AddressSet{v6: s.v6}
}

// Contains tells whether the address is in the set.
func (s *AddressSet) Contains(a netip.Addr) bool {
	ok := false
	if a = a.Unmap(); a.Is4() {
		_, ok = s.v4.find(number4(a))
	} else if a.IsValid() {
		_, ok = s.v6.find(number6(a))
	}
	return ok
}

// Covers tells whether every address of other is in s.
func (s *AddressSet) Covers(other *AddressSet) bool {
	var work int
	return s == other || covers(s.v4, other.v4, &work) && covers(s.v6, other.v6, &work)
}

// Empty tells whether no address of the family is in the set.
func (s *AddressSet) Empty(f Family) bool { return s.Len(f) == 0 }

// All tells whether every address of the family is in the set.
func (s *AddressSet) All(f Family) bool {
	if f == IPv4 {
		return s.v4.all()
	}
	return s.v6.all()
}

// Len counts the disjoint ranges of the family.
func (s *AddressSet) Len(f Family) int {
	if f == IPv4 {
		return s.v4.len()
	}
	return s.v6.len()
}

// Ranges gives the disjoint ranges of the family, ascending.
func (s *AddressSet) Ranges(f Family) iter.Seq[AddressRange] {
	return func(yield func(AddressRange) bool) {
		if f == IPv4 {
			each(s.v4, yield)
		} else {
			each(s.v6, yield)
		}
	}
}

func each[N number](l spans[N], yield func(AddressRange) bool) {
	for w := l.walk(); ; {
		s, ok := w.next()
		if !ok || !yield(AddressRange{addr(s.first), addr(s.last)}) {
			return
		}
	}
}

// Digest tells sets apart by what they hold of the family.
func (s *AddressSet) Digest(f Family) [sha256.Size]byte {
	if f == IPv4 {
		return s.v4.digest()
	}
	return s.v6.digest()
}

// Prefix gives the range as one prefix, where it is one.
func (r AddressRange) Prefix() (netip.Prefix, bool) {
	for bits := 0; bits <= r.First.BitLen(); bits++ {
		p := netip.PrefixFrom(r.First, bits)
		if p.Masked().Addr() == r.First && lastOf(p) == r.Last {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// Addresses is what a rule says of one end. The zero value asks for nothing.
type Addresses struct {
	set  *AddressSet
	text string
	// named adds the addresses of names, and except takes those of other names out. Of what names add, minus is taken out;
	// nil is nothing.
	named, except Domains
	minus         *AddressSet
}

// NewAddresses asks for an address of the set; text is how the file says it.
func NewAddresses(set *AddressSet, text string) Addresses { return Addresses{set: set, text: text} }

// Or adds the addresses of names, but for those in minus.
func (a Addresses) Or(names Domains, minus *AddressSet) Addresses {
	a.named, a.minus = names, minus
	return a
}

// Except takes out the addresses of names.
func (a Addresses) Except(names Domains) Addresses {
	a.except = names
	return a
}

// Any tells whether every address will do.
func (a Addresses) Any() bool { return a.set == nil }

// Set gives the addresses that satisfy the rule, but for what names say.
func (a Addresses) Set() *AddressSet {
	if a.set == nil {
		return all
	}
	return a.set
}

// Named gives the names whose addresses satisfy the rule too, where they are among allowed.
func (a Addresses) Named() (names Domains, allowed *AddressSet) {
	if a.minus == nil {
		return a.named, all
	}
	return a.named, a.minus.Complement()
}

// Excepted gives the names whose addresses do not satisfy the rule.
func (a Addresses) Excepted() Domains { return a.except }

// Static tells whether names have no part in it.
func (a Addresses) Static() bool { return a.named.None() && a.except.None() }

// empty tells whether no address of the family will do, whatever addresses names have.
func (a Addresses) empty(f Family) bool { return a.Set().Empty(f) && a.named.None() }

// all tells whether every address of the family will do, whatever addresses names have.
func (a Addresses) all(f Family) bool { return a.Set().All(f) && a.except.None() }

// has tells whether the address will do.
func (a Addresses) has(addr netip.Addr, f *Flow) answer {
	in := holds(a.set.Contains(addr))
	if in != yes && (a.minus == nil || !a.minus.Contains(addr)) {
		in = a.named.of(addr, f)
	}
	if in == no || a.except.None() {
		return in
	}
	switch a.except.of(addr, f) {
	case yes:
		return no
	case maybe:
		return maybe
	}
	return in
}

var all = AllAddresses()

// String gives what the file says, "any" where it says nothing.
func (a Addresses) String() string {
	if a.set == nil {
		return "any"
	}
	return a.text
}
