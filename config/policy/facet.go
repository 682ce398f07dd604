package policy

import (
	"encoding/binary"
	"math/bits"
)

// facet is a prefix of 128 bits. Shorter values stand at its front.
type facet struct {
	value u128
	bits  uint8
}

// few gives the prefix around each of a few things, or one around all where there are many; or that around the first.
func few[T any](list []T, first bool, of func(T) facet) []facet {
	switch {
	case len(list) == 0:
		return nil
	case first:
		return []facet{of(list[0])}
	}
	out := make([]facet, len(list))
	for i, x := range list {
		out[i] = of(x)
	}
	if len(out) > mostFacets {
		return []facet{common(out)}
	}
	return out
}

// ascending is few for things that ascend: the first and the last of them hold all.
func ascending[T any](list []T, first bool, of func(T) facet) []facet {
	if !first && len(list) > mostFacets {
		return []facet{of(list[0]).with(of(list[len(list)-1]))}
	}
	return few(list, first, of)
}

// facets walks no list of a million addresses for each rule that names it.
func (l spans[N]) facets(first bool, of func(span[N]) facet) []facet {
	if l.long != nil {
		if first {
			return []facet{of(l.long.first)}
		}
		return []facet{of(l.long.first).with(of(l.long.last))}
	}
	return ascending(l.short, first, of)
}

// common gives the longest prefix that holds all of the others.
func common(list []facet) facet {
	out := list[0]
	for _, x := range list[1:] {
		out = out.with(x)
	}
	return out
}

func (a facet) with(b facet) facet {
	n := min(a.bits, b.bits, a.value.same(b.value))
	return facet{a.value.head(n), n}
}

// front puts the low bits of n at the front of 128.
func front(n uint64, width uint8) u128 { return u128{hi: n << (64 - width)} }

// head gives the first n bits, the rest zero.
func (n u128) head(bits uint8) u128 {
	switch {
	case bits == 0:
		return u128{}
	case bits <= 64:
		return u128{hi: n.hi &^ (1<<(64-bits) - 1)}
	}
	return u128{n.hi, n.lo &^ (1<<(128-bits) - 1)}
}

// same counts the bits at the front in which two numbers agree.
func (n u128) same(other u128) uint8 {
	if x := n.hi ^ other.hi; x != 0 {
		return uint8(bits.LeadingZeros64(x))
	}
	return uint8(64 + bits.LeadingZeros64(n.lo^other.lo))
}

// around gives the prefix that holds all from first to last.
func around(first, last u128, width uint8) facet {
	return facet{first, width}.with(facet{last, width})
}

func (s PortSet) facets(first bool) []facet {
	return ascending(s.ranges, first, func(r PortRange) facet {
		return around(front(uint64(r.First), 16), front(uint64(r.Last), 16), 16)
	})
}

func (a Addresses) facets(f Family, first bool) []facet {
	switch {
	case a.Any(), !first && !a.named.None():
		return nil // names may have any address
	case f == IPv4:
		return a.set.v4.facets(first, func(s span[uint32]) facet {
			return around(front(uint64(s.first), 32), front(uint64(s.last), 32), 32)
		})
	}
	return a.set.v6.facets(first, func(s span[u128]) facet { return around(s.first, s.last, 128) })
}

func (p Protocol) facet() facet { return facet{front(uint64(p), 8), 8} }

func (a Account) facet() facet { return facet{front(uint64(a.ID), 32), 32} }

func (i Interface) facet() facet {
	var b [16]byte
	n := uint8(8 * copy(b[:], i.name))
	if !i.prefix {
		// The zero byte behind a name ends it, so that no longer name begins like it.
		n = 128
	}
	return facet{u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, n}
}
