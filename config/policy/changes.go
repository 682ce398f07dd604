package policy

import (
	"net/netip"
	"sort"
)

// Changes lists the ranges of a family that only the old set or only the new one has as they are; ok is false where they
// are more than most.
func Changes(old, new *AddressSet, f Family, most int) (gone, come []AddressRange, ok bool) {
	if f == IPv4 {
		return changes(old.v4, new.v4, most)
	}
	return changes(old.v6, new.v6, most)
}

func changes[N number](old, new spans[N], most int) (gone, come []AddressRange, ok bool) {
	if old.same(new) {
		return nil, nil, true
	}
	wa, wb := old.walk(), new.walk()
	a, moreA := wa.next()
	b, moreB := wb.next()
	for moreA || moreB {
		switch {
		case moreA && moreB && a == b:
			a, moreA = wa.next()
			b, moreB = wb.next()
			continue
		case !moreB || moreA && !less(b.first, a.first):
			gone = append(gone, AddressRange{addr(a.first), addr(a.last)})
			a, moreA = wa.next()
		default:
			come = append(come, AddressRange{addr(b.first), addr(b.last)})
			b, moreB = wb.next()
		}
		if len(gone)+len(come) > most {
			return nil, nil, false
		}
	}
	return gone, come, true
}

// Overlaps tells whether an address of the range is in the set.
func (s *AddressSet) Overlaps(r AddressRange) bool {
	if r.First.Is4() {
		return s.v4.overlaps(number4(r.First), number4(r.Last))
	}
	return s.v6.overlaps(number6(r.First), number6(r.Last))
}

func (l spans[N]) overlaps(first, last N) bool {
	if l.long != nil {
		for r := l.long.around(first); ; {
			s, ok := r.next()
			if !ok || !less(s.last, first) {
				return ok && !less(last, s.first)
			}
		}
	}
	i := sort.Search(len(l.short), func(i int) bool { return !less(l.short[i].last, first) })
	return i < len(l.short) && !less(last, l.short[i].first)
}

// AppendPrefixes appends the prefixes that make up the range, as few as can be.
func (r AddressRange) AppendPrefixes(to []netip.Prefix) []netip.Prefix {
	each := func(p netip.Prefix) bool {
		to = append(to, p)
		return true
	}
	if r.First.Is4() {
		eachPrefix(spans[uint32]{short: []span[uint32]{{number4(r.First), number4(r.Last)}}}, 32, each)
	} else {
		eachPrefix(spans[u128]{short: []span[u128]{{number6(r.First), number6(r.Last)}}}, 128, each)
	}
	return to
}
