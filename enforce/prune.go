package enforce

import "slices"

// reached tells of chains of lines and of sets whether packets come to them. What was made on the way to something better is
// not.
type reached struct {
	c      *compiler
	chains map[string]*chain
	in     map[string]bool
	sets   map[string]bool
}

// prune leaves out chains of lines, and sets, that no packet comes to.
func (c *compiler) prune() {
	r := reached{c: c, chains: make(map[string]*chain, len(c.made)), in: make(map[string]bool, len(c.made)), sets: make(map[string]bool, len(c.sets))}
	for i := range c.chains {
		if ch := &c.chains[i]; ch.fixed {
			r.chains[ch.name] = ch
		} else {
			r.rules(ch.rules)
		}
	}
	for i := range c.bases {
		r.rules(c.bases[i].rules)
	}
	c.chains = slices.DeleteFunc(c.chains, func(ch chain) bool { return ch.fixed && !r.in[ch.name] })
	for name, s := range c.sets {
		if !s.dynamic && !r.sets[name] {
			delete(c.sets, name)
		}
	}
}

func (r *reached) chain(name string) {
	if ch := r.chains[name]; ch != nil && !r.in[name] {
		r.in[name] = true
		r.rules(ch.rules)
	}
}

func (r *reached) rules(list []rule) {
	for _, line := range list {
		r.statements(line.statements)
	}
}

func (r *reached) statements(list []statement) {
	for _, s := range list {
		switch s := s.(type) {
		case onList:
			r.statements(s.near)
			r.statements(s.any)
		case maskedIn:
			r.sets[s.set] = true
		case goTo:
			r.chain(s.chain)
		case jumpTo:
			r.chain(s.chain)
		case lookup:
			r.sets[s.set] = true
		case duringTimes:
			r.sets[s.set] = true
		case answerless:
			r.sets[answerlessSet] = true
		case neverBanned:
			r.sets[spareSet] = true
		case choose:
			if !r.sets[s.table] {
				r.sets[s.table] = true
				for _, b := range r.c.sets[s.table].to {
					r.chain(b.chain)
				}
			}
		}
	}
}
