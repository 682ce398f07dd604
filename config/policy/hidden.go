package policy

import (
	"fmt"
	"slices"
)

// patience bounds what the search for hidden rules costs, in comparisons: about a second.
const patience = 10_000_000

// hidden warns of rules that never decide, because one earlier rule takes all that they ask for.
func (p *Policy) hidden() []Problem {
	var out []Problem
	before := earlier{rules: map[where]*shapes{}}
	work := 0
	for i, r := range p.rules {
		if r.Disabled {
			continue
		}
		hider := before.first(r, &work, func(j int) bool { return takesAll(p.rules[j], r, &work) })
		if hider >= 0 {
			out = append(out, hides(p.rules[hider], r, i))
		}
		if work > patience {
			return append(out, Problem{Rule: i,
				Message: fmt.Sprintf("the rules after %s are not held against those before them, as too many are alike", r.Name),
				Hint:    "put what is alike into one rule with a list"})
		}
		before.add(i, r)
	}
	return out
}

// Hider finds the first rule that takes all that a later one asks for, so that this one never decides; nil where there is
// none. twin says that the two do the same to the same packets.
func (p *Policy) Hider(n Name) (by *Rule, twin bool) {
	r := p.byName[n]
	if r == nil || r.Disabled {
		return nil, false
	}
	for _, e := range p.rules {
		if e == r {
			break
		}
		if !e.Disabled && takesAll(e, r, new(int)) {
			return e, twins(e, r)
		}
	}
	return nil, false
}

// twins tells whether the later of two rules, which the earlier one hides, does the same.
func twins(earlier, later *Rule) bool {
	return earlier.Action == later.Action && sameBounds(earlier, later) && takesAll(later, earlier, new(int))
}

// hides says that rule by hides rule r, which is the one at i.
func hides(by, r *Rule, i int) Problem {
	if twins(by, r) {
		return Problem{Rule: i, Message: fmt.Sprintf("rule %s is a duplicate of rule %s", r.Name, by.Name), Hint: "remove one of them"}
	}
	return Problem{Rule: i,
		Message: fmt.Sprintf("rule %s can never match: the earlier rule %s takes all that it asks for", r.Name, by.Name),
		Hint:    fmt.Sprintf("move it before %s, or remove it", by.Name)}
}

// takesAll tells whether rule a matches whatever rule b matches. It counts its comparisons.
func takesAll(a, b *Rule, work *int) bool {
	if !a.Until.IsZero() && (b.Until.IsZero() || a.Until.Before(b.Until)) {
		return false
	}
	for _, d := range Directions {
		mb, ok := b.Match(d)
		if !ok {
			continue
		}
		ma, ok := a.Match(d)
		if !ok || !ma.covers(mb, work) {
			return false
		}
	}
	return true
}

func (m *Match) covers(other *Match, work *int) bool {
	return coversTraffic(m.Traffic, other.Traffic, work) &&
		m.Schedule.covers(other.Schedule) &&
		coversInterfaces(m.InInterfaces, other.InInterfaces, work) &&
		coversInterfaces(m.OutInterfaces, other.OutInterfaces, work) &&
		coversAccounts(m.Users, other.Users, work) &&
		coversAccounts(m.Groups, other.Groups, work) &&
		m.coversAddresses(other, work)
}

// coversAddresses looks only at the families in which other can be met.
func (m *Match) coversAddresses(other *Match, work *int) bool {
	for _, f := range other.Families() {
		if !coversEnd(m.Source, other.Source, f, work) || !coversEnd(m.Destination, other.Destination, f, work) {
			return false
		}
	}
	return true
}

// coversEnd tells whether a takes all that b asks for, whatever addresses names have.
func coversEnd(a, b Addresses, f Family, work *int) bool {
	switch {
	case a.all(f):
		return true
	case !b.except.covers(a.except, work) || !coversSet(a.Set(), b.Set(), f, work):
		return false
	case b.named.None() || a.Set().All(f):
		return true
	}
	return a.named.covers(b.named, work) && (a.minus == nil || b.minus != nil && coversSet(b.minus, a.minus, f, work))
}

func coversSet(a, b *AddressSet, f Family, work *int) bool {
	switch {
	case a == b:
		return true
	case f == IPv4:
		return covers(a.v4, b.v4, work)
	}
	return covers(a.v6, b.v6, work)
}

// coversInterfaces tells whether every interface of b is one of a; an empty list asks for nothing.
func coversInterfaces(a, b []Interface, work *int) bool {
	return coversList(a, b, work, func(has map[Interface]bool, i Interface) bool {
		for n := range len(i.name) + 1 {
			if has[Interface{i.name[:n], true}] {
				return true
			}
		}
		return has[i]
	}, func(i Interface) Interface { return i })
}

// coversAccounts does so by number: a name and a number may be one account.
func coversAccounts(a, b []Account, work *int) bool {
	return coversList(a, b, work, func(has map[uint32]bool, x Account) bool { return has[x.ID] }, func(x Account) uint32 { return x.ID })
}

func coversList[T any, K comparable](a, b []T, work *int, in func(has map[K]bool, y T) bool, key func(T) K) bool {
	if len(a) == 0 {
		return true
	}
	if len(b) == 0 {
		return false
	}
	*work += len(a) + len(b)
	has := make(map[K]bool, len(a))
	for _, x := range a {
		has[key(x)] = true
	}
	for _, y := range b {
		if !in(has, y) {
			return false
		}
	}
	return true
}

func coversTraffic(a, b Traffic, work *int) bool {
	for _, f := range Families {
		listA, anyA := a.protocols(f)
		listB, anyB := b.protocols(f)
		if anyA {
			continue
		}
		if anyB {
			return false
		}
		for _, p := range listB {
			if !slices.Contains(listA, p) {
				return false
			}
		}
	}
	switch a := a.(type) {
	case AnyTraffic, OfProtocols:
		return true
	case OnPorts:
		b, ok := b.(OnPorts)
		*work += len(b.Destination.ranges) + len(b.Source.ranges)
		return ok && a.Destination.Covers(b.Destination) && a.Source.Covers(b.Source)
	case OfICMPTypes:
		b, ok := b.(OfICMPTypes)
		for _, f := range Families {
			for _, t := range b.types(f) {
				ok = ok && slices.Contains(a.types(f), t)
			}
		}
		return ok
	}
	panic(fmt.Sprintf("policy: traffic %T", a))
}
