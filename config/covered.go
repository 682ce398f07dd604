package config

import (
	"cmp"
	"slices"
)

// flaw is a fault and where it is.
type flaw struct {
	*fault
	at int
}

// covered finds the spans that say nothing, because one other holds all of their addresses.
func covered(spans []placed) []flaw {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	// By beginning, the longer first: whatever holds a span stands before it.
	slices.SortFunc(order, func(i, j int) int {
		a, b := spans[i], spans[j]
		return cmp.Or(a.first.Compare(b.first), b.last.Compare(a.last), cmp.Compare(i, j))
	})
	var out []flaw
	var widest *placed
	for _, i := range order {
		s := &spans[i]
		switch {
		case widest == nil || widest.first.Is4() != s.first.Is4() || widest.last.Less(s.last):
			widest = s
		case widest.first == s.first && widest.last == s.last:
			out = append(out, flaw{wrong("remove one of the two", "%q is there twice", s.text), s.at})
		default:
			out = append(out, flaw{wrong("remove it", "%q is covered by %q", s.text, widest.text), s.at})
		}
	}
	slices.SortFunc(out, func(a, b flaw) int { return cmp.Compare(a.at, b.at) })
	return out
}
