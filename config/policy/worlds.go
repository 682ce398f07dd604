package policy

import "net/netip"

// worlds gives flows without unknown facts that stand for all that f may be: for each unknown fact one value for every
// rule that asks about it, and one that no rule asks about.
func (p *Policy) worlds(f Flow) []Flow {
	out := []Flow{f}
	out = spread(out, f.InInterface, p.interfaces(f.Direction), func(w *Flow, v Field[string]) { w.InInterface = v })
	out = spread(out, f.OutInterface, p.interfaces(f.Direction), func(w *Flow, v Field[string]) { w.OutInterface = v })
	out = spread(out, f.User, p.accounts(func(m *Match) []Account { return m.Users }), func(w *Flow, v Field[uint32]) { w.User = v })
	out = spread(out, f.Group, p.accounts(func(m *Match) []Account { return m.Groups }), func(w *Flow, v Field[uint32]) { w.Group = v })
	return out
}

// spread replaces each flow by one a value, where the fact is unknown. The zero Field, which no rule that asks
// matches, stands for the value that no rule names.
func spread[T any](flows []Flow, fact Field[T], values []T, set func(*Flow, Field[T])) []Flow {
	if fact.state != unknown {
		return flows
	}
	var out []Flow
	for _, f := range flows {
		set(&f, Field[T]{})
		out = append(out, f)
		for _, v := range values {
			set(&f, Known(v))
			out = append(out, f)
		}
	}
	return out
}

// interfaces gives a name for each pattern of the direction's rules; for a prefix one that no rule spells out. A name
// that begins like another pattern meets both, as a real interface would. Loopback is left out: no connection through
// it is ever judged.
func (p *Policy) interfaces(d Direction) []string {
	return gather(p.rules, d, func(m *Match) []string {
		var out []string
		for _, list := range [][]Interface{m.InInterfaces, m.OutInterfaces} {
			for _, i := range list {
				switch {
				case i.prefix:
					out = append(out, i.name+"\x00")
				case !isLoopback(i.name):
					out = append(out, i.name)
				}
			}
		}
		return out
	})
}

func (p *Policy) accounts(of func(*Match) []Account) []uint32 {
	return gather(p.rules, Out, func(m *Match) []uint32 {
		var out []uint32
		for _, a := range of(m) {
			out = append(out, a.ID)
		}
		return out
	})
}

func gather[T comparable](rules []*Rule, d Direction, of func(*Match) []T) []T {
	var out []T
	seen := map[T]bool{}
	for _, r := range rules {
		m, ok := r.Match(d)
		if !ok || r.Disabled {
			continue
		}
		for _, v := range of(m) {
			if !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		}
	}
	return out
}

// Remote gives the other end of a flow of this machine's own.
func (f *Flow) Remote() Field[netip.Addr] {
	if f.Direction == Out {
		return f.Destination
	}
	return f.Source
}
