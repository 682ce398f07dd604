package enforce

import "pfw/config/policy"

// Shape is what it takes to find the rule for a packet that opens a connection.
type Shape struct {
	// Maps lead packets by a value to the rules that ask for it.
	Maps int
	// Most is how many lookups in sets and maps a packet takes at most, None one that has no value that any rule asks for.
	// What is always in force is left out of both.
	Most, None int
}

// Shape tells how the ruleset finds rules.
func (r Ruleset) Shape() Shape {
	w := walker{chains: map[string]*chain{}, sets: map[string]*set{}, most: map[string]int{}}
	var out Shape
	for i := range r.sets {
		w.sets[r.sets[i].name] = &r.sets[i]
		if r.sets[i].to != nil {
			out.Maps++
		}
	}
	for i := range r.chains {
		w.chains[r.chains[i].name] = &r.chains[i]
	}
	for i := range r.chains {
		c := &r.chains[i]
		if c.at == 0 || c.early {
			continue
		}
		most := w.chain(c.name)
		none, _ := w.none(c.name)
		if c.at == policy.In && w.chains[earlyChain] != nil {
			most += w.chain(earlyChain)
			before, _ := w.none(earlyChain)
			none += before
		}
		out.Most, out.None = max(out.Most, most), max(out.None, none)
	}
	return out
}

type walker struct {
	chains map[string]*chain
	sets   map[string]*set
	most   map[string]int
}

// step is a rule as the walk sees it.
type step struct {
	lookups int
	to      []branch
	// asks says that it goes there only for some packets, found that none of them is one that no rule asks about.
	asks, found bool
}

func (w *walker) step(r rule) step {
	var s step
	for _, x := range r.statements {
		switch x := x.(type) {
		case lookup:
			s.lookups++
			s.asks, s.found = true, s.found || !x.not
		case maskedIn:
			s.lookups++
			s.asks, s.found = true, s.found || !x.not
		case choose:
			s.lookups++
			s.to = append(s.to, w.sets[x.table].to...)
			s.asks, s.found = true, s.found || x.question.dimension != byProtocol
		case goTo:
			s.to = append(s.to, branch{chain: x.chain})
		case jumpTo:
			s.to = append(s.to, branch{chain: x.chain, back: true})
		case giveBack:
		case familyIs, protocolIs:
			s.asks = true
		case interfaceIs:
			s.asks, s.found = true, s.found || !x.not
		case impliedFamily, impliedProtocol:
		default:
			s.asks, s.found = true, true
		}
	}
	return s
}

// decides tells a rule that leads to rules of the file, or gives back, from what is always in force.
func (s step) decides(r rule) bool {
	if len(s.to) > 0 {
		return true
	}
	_, back := r.statements[len(r.statements)-1].(giveBack)
	return back
}

// chain counts the lookups of a packet that takes the longest way through a chain.
func (w *walker) chain(name string) int {
	if n, known := w.most[name]; known {
		return n
	}
	so, best := 0, 0
	for _, r := range w.chains[name].rules {
		s := w.step(r)
		if !s.decides(r) {
			continue
		}
		so += s.lookups
		back := 0
		for _, b := range s.to {
			n := w.chain(b.chain)
			best = max(best, so+n)
			if b.back {
				back = max(back, n)
			}
		}
		so += back
	}
	w.most[name] = max(best, so)
	return w.most[name]
}

// none counts the lookups of a packet that no rule asks about, and tells whether it leaves the chain for good.
func (w *walker) none(name string) (lookups int, gone bool) {
	so, best := 0, 0
	for _, r := range w.chains[name].rules {
		s := w.step(r)
		if !s.decides(r) {
			continue
		}
		so += s.lookups
		if s.found {
			continue
		}
		back := 0
		for _, b := range s.to {
			n, _ := w.none(b.chain)
			best = max(best, so+n)
			if b.back {
				back = max(back, n)
			}
		}
		so += back
		if !s.familyOrProtocol(r) {
			if len(s.to) == 0 || !s.to[0].back {
				return max(best, so), true
			}
		}
	}
	return max(best, so), false
}

// familyOrProtocol tells whether a rule is only for packets of some family or protocol.
func (s step) familyOrProtocol(r rule) bool {
	for _, x := range r.statements {
		switch x := x.(type) {
		case familyIs, protocolIs:
			return true
		case choose:
			return x.question.dimension == byProtocol
		}
	}
	return false
}
