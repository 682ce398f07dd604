package policy

import (
	"slices"
	"sort"
)

// span is a run of addresses, both ends inclusive, first never above last.
type span[N number] struct{ first, last N }

// merge sorts spans and joins those that overlap or touch, in place.
func merge[N number](spans []span[N]) []span[N] {
	if len(spans) == 0 {
		return nil
	}
	slices.SortFunc(spans, func(a, b span[N]) int {
		switch {
		case less(a.first, b.first):
			return -1
		case less(b.first, a.first):
			return 1
		}
		return 0
	})
	out := spans[:1]
	for _, s := range spans[1:] {
		last := &out[len(out)-1]
		if last.last != top[N]() && less(next(last.last), s.first) {
			out = append(out, s)
			continue
		}
		if less(last.last, s.last) {
			last.last = s.last
		}
	}
	return out
}

// complement gives all that is in none of the merged spans.
func complement[N number](spans []span[N]) []span[N] {
	var out []span[N]
	var from N
	for _, s := range spans {
		if less(from, s.first) {
			out = append(out, span[N]{from, prev(s.first)})
		}
		if s.last == top[N]() {
			return out
		}
		from = next(s.last)
	}
	return append(out, span[N]{from, top[N]()})
}

// intersect gives what is in both of two merged lists.
func intersect[N number](a, b []span[N]) []span[N] {
	var out []span[N]
	for len(a) > 0 && len(b) > 0 {
		first, last := a[0].first, a[0].last
		if less(first, b[0].first) {
			first = b[0].first
		}
		if less(b[0].last, last) {
			last = b[0].last
		}
		if !less(last, first) {
			out = append(out, span[N]{first, last})
		}
		if less(a[0].last, b[0].last) {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// find gives the merged span that holds n.
func find[N number](spans []span[N], n N) (span[N], bool) {
	i := sort.Search(len(spans), func(i int) bool { return !less(spans[i].last, n) })
	if i == len(spans) || less(n, spans[i].first) {
		return span[N]{}, false
	}
	return spans[i], true
}

// covers tells whether every address of b is in a; both are merged. It counts the spans that it looks at.
func covers[N number](a, b []span[N], work *int) bool {
	if len(a) > 0 && len(b) > 0 && &a[0] == &b[0] && len(a) == len(b) {
		return true
	}
	for _, s := range b {
		*work++
		whole, ok := find(a, s.first)
		if !ok || less(whole.last, s.last) {
			return false
		}
	}
	return true
}
