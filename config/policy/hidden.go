package policy

import (
	"fmt"
	"slices"
)

// hidden warns of rules that never decide, because one earlier rule takes all that they ask for.
func (p *Policy) hidden() []Problem {
	var out []Problem
	for i, r := range p.rules {
		if r.Disabled {
			continue
		}
		by := p.hider(i)
		if by == nil {
			continue
		}
		if r.Action == by.Action && takesAll(r, by) {
			out = append(out, Problem{Rule: i, Message: fmt.Sprintf("rule %s is a duplicate of rule %s", r.Name, by.Name), Hint: "remove one of them"})
			continue
		}
		out = append(out, Problem{Rule: i,
			Message: fmt.Sprintf("rule %s can never match: the earlier rule %s takes all that it asks for", r.Name, by.Name),
			Hint:    fmt.Sprintf("move it before %s, or remove it", by.Name)})
	}
	return out
}

// hider finds an earlier rule that takes all that rule i asks for; nil where none alone does.
func (p *Policy) hider(i int) *Rule {
	for _, earlier := range p.rules[:i] {
		if !earlier.Disabled && takesAll(earlier, p.rules[i]) {
			return earlier
		}
	}
	return nil
}

// takesAll tells whether rule a matches whatever rule b matches.
func takesAll(a, b *Rule) bool {
	if !a.Until.IsZero() && (b.Until.IsZero() || a.Until.Before(b.Until)) {
		return false
	}
	for _, d := range Directions {
		mb, ok := b.Match(d)
		if !ok {
			continue
		}
		ma, ok := a.Match(d)
		if !ok || !ma.covers(mb) {
			return false
		}
	}
	return true
}

func (m *Match) covers(other *Match) bool {
	return coversTraffic(m.Traffic, other.Traffic) &&
		m.Schedule.covers(other.Schedule) &&
		coversList(m.InInterfaces, other.InInterfaces, Interface.covers) &&
		coversList(m.OutInterfaces, other.OutInterfaces, Interface.covers) &&
		coversList(m.Users, other.Users, sameID) &&
		coversList(m.Groups, other.Groups, sameID) &&
		m.coversAddresses(other)
}

// coversAddresses looks only at the families in which other can be met.
func (m *Match) coversAddresses(other *Match) bool {
	for _, f := range other.Families() {
		if !coversEnd(m.Source, other.Source, f) || !coversEnd(m.Destination, other.Destination, f) {
			return false
		}
	}
	return true
}

func coversEnd(a, b Addresses, f Family) bool {
	if a.Any() {
		return true
	}
	return a.set.Only(f).Covers(b.Set().Only(f))
}

func sameID(a, b Account) bool { return a.ID == b.ID }

// coversList tells whether every item of b is covered by one of a; an empty list asks for nothing.
func coversList[T any](a, b []T, covers func(a, b T) bool) bool {
	if len(a) == 0 {
		return true
	}
	if len(b) == 0 {
		return false
	}
	for _, y := range b {
		if !slices.ContainsFunc(a, func(x T) bool { return covers(x, y) }) {
			return false
		}
	}
	return true
}

func coversTraffic(a, b Traffic) bool {
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
