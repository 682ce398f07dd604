package policy

import "slices"

// Spares finds the first earlier rule that allows a part of what a rule refuses; nil where there is none, or the rule refuses
// nothing. Schedules are left out of the comparison: at some time the two may meet.
func (p *Policy) Spares(n Name) *Rule {
	r := p.byName[n]
	if r == nil || r.Disabled || !r.Action.Refuses() {
		return nil
	}
	for _, e := range p.rules {
		if e == r {
			break
		}
		if !e.Disabled && e.Action == Allow && meet(e, r) {
			return e
		}
	}
	return nil
}

// meet tells whether there may be a packet that both rules match.
func meet(a, b *Rule) bool {
	return slices.ContainsFunc(Directions, func(d Direction) bool {
		ma, inA := a.Match(d)
		mb, inB := b.Match(d)
		return inA && inB && ma.overlaps(mb)
	})
}

func (m *Match) overlaps(other *Match) bool {
	return meetLists(m.InInterfaces, other.InInterfaces, Interface.overlaps) &&
		meetLists(m.OutInterfaces, other.OutInterfaces, Interface.overlaps) &&
		meetLists(m.Users, other.Users, sameID) && meetLists(m.Groups, other.Groups, sameID) &&
		slices.ContainsFunc(Families, func(f Family) bool {
			return meetTraffic(m.Traffic, other.Traffic, f) &&
				m.Source.overlaps(other.Source, f) && m.Destination.overlaps(other.Destination, f)
		})
}

// meetLists tells whether some of a and some of b go together; an empty list asks for nothing.
func meetLists[T any](a, b []T, together func(x, y T) bool) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(x T) bool {
		return slices.ContainsFunc(b, func(y T) bool { return together(x, y) })
	})
}

func (i Interface) overlaps(other Interface) bool {
	return i.Matches(other.name) || other.Matches(i.name)
}

func sameID(a, b Account) bool { return a.ID == b.ID }

// overlaps does not take it that names have an address of a list, or in common with other names.
func (a Addresses) overlaps(other Addresses, f Family) bool {
	if a.empty(f) || other.empty(f) {
		return false
	}
	if !a.named.None() && (other.all(f) || other.named.meet(a.named)) || !other.named.None() && a.all(f) {
		return true
	}
	x, y := a.Set(), other.Set()
	if f == IPv4 {
		return intersect(x.v4, y.v4).len() > 0
	}
	return intersect(x.v6, y.v6).len() > 0
}

func meetTraffic(a, b Traffic, f Family) bool {
	listA, anyA := a.protocols(f)
	listB, anyB := b.protocols(f)
	switch {
	case anyA:
		return anyB || len(listB) > 0
	case anyB:
		return len(listA) > 0
	case !slices.ContainsFunc(listA, func(p Protocol) bool { return slices.Contains(listB, p) }):
		return false
	}
	switch a := a.(type) {
	case OnPorts:
		b, ok := b.(OnPorts)
		return !ok || a.Destination.overlaps(b.Destination) && a.Source.overlaps(b.Source)
	case OfICMPTypes:
		b, ok := b.(OfICMPTypes)
		return !ok || slices.ContainsFunc(a.types(f), func(t uint8) bool { return slices.Contains(b.types(f), t) })
	}
	return true
}

func (s PortSet) overlaps(other PortSet) bool {
	return meetLists(s.ranges, other.ranges, func(a, b PortRange) bool { return a.First <= b.Last && b.First <= a.Last })
}
