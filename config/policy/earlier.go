package policy

// earlier finds, among the rules before one, those that may take all that it asks for, without a look at each. A rule
// that takes all takes a part: the first protocol, port, address, interface and owner that the later rule asks for. So
// rules are kept by prefixes that hold what they take of each, and looked up by that part.
type earlier struct {
	rules map[where]*shapes
	// all are the rules of a direction.
	all [Forward + 1][]int
}

type where struct {
	direction Direction
	family    Family
}

// shapes are the rules of a direction and family by how long their prefixes are. A file has few shapes.
type shapes struct {
	order []shape
	rules map[shape]map[parts][]int
}

// The parts of what a rule asks for.
const (
	partProtocol = iota
	partPort
	partSourcePort
	partSource
	partDestination
	partInInterface
	partOutInterface
	partUser
	partGroup
	partCount
)

type (
	shape [partCount]uint8
	parts [partCount]u128
)

// mostFacets and mostKeys bound the prefixes by which a rule is kept: for one part, and as a product over all parts.
const mostFacets, mostKeys = 16, 32

// add keeps rule i.
func (e *earlier) add(i int, r *Rule) {
	for _, d := range Directions {
		m, ok := r.Match(d)
		if !ok {
			continue
		}
		e.all[d] = append(e.all[d], i)
		for _, f := range m.Families() {
			at := e.rules[where{d, f}]
			if at == nil {
				at = &shapes{rules: map[shape]map[parts][]int{}}
				e.rules[where{d, f}] = at
			}
			at.add(i, m.facets(f, false))
		}
	}
}

func (s *shapes) add(i int, facets [partCount][]facet) {
	for product(facets) > mostKeys {
		widest := 0
		for part := range facets {
			if len(facets[part]) > len(facets[widest]) {
				widest = part
			}
		}
		facets[widest] = []facet{common(facets[widest])}
	}
	var lengths shape
	var key parts
	var spread func(part int)
	spread = func(part int) {
		if part == partCount {
			s.put(i, lengths, key)
			return
		}
		for _, x := range facets[part] {
			lengths[part], key[part] = x.bits, x.value
			spread(part + 1)
		}
	}
	spread(0)
}

func (s *shapes) put(i int, lengths shape, key parts) {
	of := s.rules[lengths]
	if of == nil {
		of = map[parts][]int{}
		s.rules[lengths] = of
		s.order = append(s.order, lengths)
	}
	of[key] = append(of[key], i)
}

// first gives the first rule that may take all that b asks for and does, by takes; -1 where none does. work counts
// what it costs.
func (e *earlier) first(b *Rule, work *int, takes func(i int) bool) int {
	best := -1
	try := func(rules []int) {
		for _, i := range rules {
			if best >= 0 && i >= best {
				return
			}
			*work++
			if takes(i) {
				best = i
				return
			}
		}
	}
	for _, d := range Directions {
		m, ok := b.Match(d)
		if !ok {
			continue
		}
		families := m.Families()
		if len(families) == 0 {
			// A list that is empty: whatever the addresses of a rule are, they hold it.
			try(e.all[d])
			return best
		}
		if s := e.rules[where{d, families[0]}]; s != nil {
			part := m.firstParts(families[0])
			for _, lengths := range s.order {
				*work++
				if key, ok := part.cut(lengths); ok {
					try(s.rules[lengths][key])
				}
			}
		}
		return best
	}
	panic("policy: a rule without a direction")
}

// firstParts is of each part what the rule asks for first.
type firstParts [partCount]facet

// cut shortens the parts to the lengths; ok is false where one is not as long.
func (p *firstParts) cut(lengths shape) (key parts, ok bool) {
	for i, n := range lengths {
		if p[i].bits < n {
			return key, false
		}
		key[i] = p[i].value.head(n)
	}
	return key, true
}

func (m *Match) firstParts(f Family) *firstParts {
	var out firstParts
	for part, list := range m.facets(f, true) {
		out[part] = list[0]
	}
	return &out
}

// facets gives prefixes that hold all that the match takes, the zero facet where it takes all; or only the one that holds
// what it asks for first.
func (m *Match) facets(f Family, first bool) [partCount][]facet {
	var out [partCount][]facet
	if list, any := m.Traffic.protocols(f); !any {
		out[partProtocol] = few(list, first, Protocol.facet)
	}
	if on, ok := m.Traffic.(OnPorts); ok {
		out[partPort], out[partSourcePort] = on.Destination.facets(first), on.Source.facets(first)
	}
	out[partSource], out[partDestination] = m.Source.facets(f, first), m.Destination.facets(f, first)
	out[partInInterface], out[partOutInterface] = few(m.InInterfaces, first, Interface.facet), few(m.OutInterfaces, first, Interface.facet)
	out[partUser], out[partGroup] = few(m.Users, first, Account.facet), few(m.Groups, first, Account.facet)
	for part, list := range out {
		if len(list) == 0 {
			out[part] = []facet{{}}
		}
	}
	return out
}

func product(facets [partCount][]facet) int {
	n := 1
	for _, list := range facets {
		n *= len(list)
	}
	return n
}
