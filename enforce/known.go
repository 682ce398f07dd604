package enforce

import (
	"slices"

	"pfw/config/policy"
)

// known is what has been found out of the packets that come to a chain.
type known struct {
	direction policy.Direction
	family    policy.Family // 0: either
	// protocols are those of which the packets are one; none: any.
	protocols []policy.Protocol
	// decided are the dimensions in which all lines of the chain are met.
	decided facts
	// depth counts the chains since the hook.
	depth int
	// parted counts how often lines have been left out by what a packet has nothing of, blocks says that the chain holds
	// a block of a longer list.
	parted int
	blocks bool
	// seldom says that few packets come that way, so that the blocks of its lists are larger.
	seldom bool
	// large says that the lines are many: there a set for a line costs more than it saves.
	large bool
}

// block is how many lines the smallest blocks hold.
func (k known) block() int {
	if k.seldom {
		return seldomBlock
	}
	return block
}

// bare tells whether a line asks for nothing more.
func (k known) bare(l *line) bool {
	return l.asks&^k.decided == 0 && (l.family == 0 || k.family != 0)
}

// open tells whether a line still asks for a value of the dimension.
func (k known) open(l *line, d dimension) bool { return (l.asks &^ k.decided).has(d.fact()) }

// readable tells whether the dimension's value can be read from every packet that comes: an address where the family is
// known, a port where the protocol is.
func (k known) readable(d dimension) bool {
	switch d {
	case bySource, byDestination:
		return k.family != 0
	case byPort, bySourcePort:
		return len(k.protocols) > 0 && k.protocols[0].HasPorts()
	case byType:
		return len(k.protocols) > 0 && !k.protocols[0].HasPorts()
	}
	return true
}

// ask reads a value that is readable.
func (k known) ask(d dimension) question {
	q := question{dimension: d, family: k.family}
	if d == byType {
		q.protocol = k.protocols[0]
	}
	return q
}

// mostAlternatives bounds the comparisons into which a line is written out instead of a set.
const mostAlternatives = 4

// linear asks line after line.
func (c *compiler) linear(lines []*line, k known) []rule {
	var out []rule
	for _, l := range lines {
		for _, conditions := range c.conditions(l, k) {
			out = append(out, rule{statements: append(conditions, goTo{l.to})})
		}
	}
	c.spent += len(out)
	return out
}

// conditions writes a line as lists of statements, of which the packet must meet one.
func (c *compiler) conditions(l *line, k known) [][]statement {
	out := [][]statement{nil}
	add := func(statements ...statement) {
		for i := range out {
			out[i] = append(out[i], statements...)
		}
	}
	q := question{family: l.family}
	if p := l.runs[byProtocol]; len(p) == 1 && (len(k.protocols) == 0 || k.readable(byType)) {
		q.protocol = policy.Protocol(p[0].first.lo)
	}
	singly := k.large && l.alternatives(k) <= mostAlternatives
	value := func(d dimension) {
		if !k.open(l, d) {
			return
		}
		q.dimension = d
		if singly {
			var more [][]statement
			for _, way := range out {
				for _, r := range l.runs[d] {
					more = append(more, append(slices.Clone(way), q.within(r)))
				}
			}
			out = more
			return
		}
		add(c.among(q, l.runs[d]))
	}
	// Interface and header first: they tell most packets apart, and the clock is the dearest to ask.
	for i, d := range []dimension{byEntering, byLeaving} {
		if k.open(l, d) {
			add(interfaceIs{side: entering + hookSide(i), iface: l.sides[i]})
		}
	}
	if l.family != 0 && k.family == 0 {
		add(familyIs{l.family})
	}
	implied := k.family != 0
	for _, e := range []end{source, destination} {
		d, a := e.dimension(), l.ends[e-source]
		names := l.namesOf(d)
		asks := (l.asks &^ k.decided).has(d.fact() | listedOf(d))
		if (asks || len(names) > 0) && implied {
			add(impliedFamily{k.family})
			implied = false
		}
		switch {
		case !asks:
		case singly && !aroundHole(a.Set(), l.family) && l.asks.has(d.fact()):
			value(d)
		default:
			add(c.address(a, l.family, e))
		}
		add(names...)
	}
	for _, d := range []dimension{byProtocol, bySourcePort, byPort} {
		value(d)
	}
	if k.open(l, byType) && k.readable(byType) {
		if implied {
			add(impliedFamily{k.family})
		}
		add(impliedProtocol{q.protocol})
	}
	value(byType)
	add(l.clock...)
	value(byUser)
	value(byGroup)
	return out
}

// alternatives counts the comparisons that stand for a line.
func (l *line) alternatives(k known) int {
	n := 1
	for d := range l.runs {
		if k.open(l, dimension(d)) && !(dimension(d) == byEntering || dimension(d) == byLeaving) {
			n *= len(l.runs[d])
		}
		n = min(n, 1<<16)
	}
	return n
}

// among asks for one of several values.
func (c *compiler) among(q question, runs []run) statement {
	if len(runs) == 1 {
		return q.within(runs[0])
	}
	return lookup{question: q, set: c.keep(q.kind().setOf(runs))}
}

// address asks for an address.
func (c *compiler) address(a policy.Addresses, f policy.Family, e end) statement {
	s, not := a.Set(), false
	if aroundHole(s, f) {
		// What a rule excludes is shorter to say than what is left.
		s, not = s.Complement(), true
	}
	if s.Len(f) == 1 {
		for r := range s.Ranges(f) {
			return addressIn{family: f, end: e, not: not, one: r}
		}
	}
	if !not && isLong(s, f) {
		return c.bigAddress(s, f, e)
	}
	return lookup{question: question{dimension: e.dimension(), family: f}, not: not, set: c.keep(addressSet(s, f))}
}

// aroundHole tells whether the lowest and the highest address are in the set, so that its complement has fewer ranges.
func aroundHole(s *policy.AddressSet, f policy.Family) bool {
	for r := range everyAddress.Ranges(f) {
		return s.Contains(r.First) && s.Contains(r.Last)
	}
	return false
}

var everyAddress = policy.AllAddresses()
