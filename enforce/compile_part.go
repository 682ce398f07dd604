package enforce

import (
	"slices"

	"pfw/config/policy"
)

const (
	// mostGroups bounds the kinds of lines of which one can be left out, mostTests what is asked for one.
	mostGroups, mostTests = 3, 4
	// fan is into how many blocks a list is cut, and a block into how many smaller ones.
	fan = 8
)

// runs is for a few lines that do not ask for what the others ask for: in order, each run of those others behind a map.
func (c *compiler) runs(lines []*line, k known) (part, bool) {
	best, most := dimension(0), 0
	for d := range dimension(dimensions) {
		if n := len(only(lines, func(l *line) bool { return k.open(l, d) })); k.readable(d) && n > most {
			best, most = d, n
		}
	}
	if wild := len(lines) - most; wild == 0 || wild > leaf {
		return part{}, false
	}
	const mostRuns, shortRun = 4, 2
	p, maps := part{}, 0
	for len(lines) > 0 {
		asks := k.open(lines[0], best)
		n := slices.IndexFunc(lines, func(l *line) bool { return k.open(l, best) != asks })
		if n < 0 {
			n = len(lines)
		}
		segment := lines[:n]
		lines = lines[n:]
		if !asks || n <= shortRun {
			p.rules = append(p.rules, c.linear(segment, k)...)
			continue
		}
		x := classesOf(segment, best, k)
		if maps++; maps > mostRuns || x == nil || x.longest > leaf && 2*x.longest > n {
			return part{}, false
		}
		p.rules = append(p.rules, c.led(x, k, true).rules...)
	}
	p.asks = "runs"
	return p, true
}

// between is for lines that ask for long lists and stand in few places: they, and what stands before, between and after
// them, are lists of their own.
func (c *compiler) between(lines []*line, k known) (part, bool) {
	const mostPlaces = 8
	starts := []int{0}
	for i := 1; i < len(lines); i++ {
		if lines[i].isLong() != lines[i-1].isLong() {
			starts = append(starts, i)
		}
	}
	if k.blocks || len(starts) < 2 || len(starts) > mostPlaces {
		return part{}, false
	}
	p := part{asks: "between"}
	for i, from := range starts {
		some := lines[from:]
		if i+1 < len(starts) {
			some = lines[from:starts[i+1]]
		}
		if len(some) <= leaf {
			p.rules = append(p.rules, c.linear(some, k)...)
			continue
		}
		p.rules = append(p.rules, rule{statements: []statement{c.branch(some, k, true).statement()}})
	}
	return p, true
}

// isLong tells of a line that asks for a long list.
func (l *line) isLong() bool {
	return slices.ContainsFunc([]end{source, destination}, func(e end) bool {
		return l.asks.has(listedSource<<(e-source)) && isLong(l.ends[e-source].Set(), l.family)
	})
}

// group is lines that ask for one fact.
type group struct {
	fact  facts
	lines []*line
}

// groups puts lines together by a fact that each asks for; rest counts those that ask for none that can be asked first.
func (k known) groups(lines []*line) (groups []group, rest int) {
	for len(lines) > 0 {
		var best group
		for fact := facts(1); fact < byClock; fact <<= 1 {
			if !k.first(fact) {
				continue
			}
			if of := only(lines, func(l *line) bool { return (l.asks &^ k.decided).has(fact) }); len(of) > len(best.lines) {
				best = group{fact, of}
			}
		}
		if best.fact == 0 {
			return groups, len(lines)
		}
		groups = append(groups, best)
		lines = only(lines, func(l *line) bool { return !(l.asks &^ k.decided).has(best.fact) })
	}
	return groups, 0
}

// first tells whether a fact can be asked of all packets that come.
func (k known) first(fact facts) bool {
	switch fact {
	case listedSource, listedDestination:
		return k.family != 0
	}
	for d := range dimension(dimensions) {
		if d.fact() == fact {
			return k.readable(d)
		}
	}
	return false
}

// avoids asks whether a packet's value is none that a line of the group asks for, and of long lists whether it is near none;
// ok is false where that takes too many questions.
func (c *compiler) avoids(g group, k known) (tests []statement, ok bool) {
	for d := range dimension(dimensions) {
		if !g.fact.has(d.fact()) {
			continue
		}
		if d == byEntering || d == byLeaving {
			tests = append(tests, avoidsInterfaces(g, d)...)
			continue
		}
		var runs []run
		for _, l := range g.lines {
			runs = append(runs, l.runs[d]...)
		}
		if len(runs) > 0 {
			q := k.ask(d)
			runs = merged(runs)
			c.spent += len(runs)
			tests = append(tests, lookup{q, true, c.keep(q.kind().setOf(q.kind().allApart(runs)))})
		}
	}
	for _, e := range []end{source, destination} {
		if g.fact.has(listedSource << (e - source)) {
			lists, ok := c.avoidsLists(g, e, k)
			if !ok {
				return nil, false
			}
			tests = append(tests, lists...)
		}
	}
	return tests, len(tests) <= mostTests
}

func avoidsInterfaces(g group, d dimension) (tests []statement) {
	seen := map[policy.Interface]bool{}
	for _, l := range g.lines {
		if of := l.sides[d-byEntering]; !seen[of] {
			seen[of] = true
			tests = append(tests, interfaceIs{side: entering + hookSide(d-byEntering), not: true, iface: of})
		}
	}
	return tests
}

func (k *kind) allApart(runs []run) []run {
	if k.interval {
		return runs
	}
	var out []run
	for _, r := range runs {
		out = append(out, k.apart(r)...)
	}
	return out
}

func (c *compiler) avoidsLists(g group, e end, k known) (tests []statement, ok bool) {
	seen := map[*policy.AddressSet]bool{}
	for _, l := range g.lines {
		a := l.ends[e-source]
		if !l.asks.has(listedSource<<(e-source)) || seen[a.Set()] {
			continue
		}
		if seen[a.Set()] = true; len(seen) > mostTests {
			return nil, false
		}
		// Too long to be anything but looked up, or all but a few addresses.
		switch s := c.address(a, k.family, e).(type) {
		case lookup:
			s.not = !s.not
			tests = append(tests, s)
		case onList:
			tests = append(tests, s.avoids())
		case addressIn:
			return nil, false
		}
	}
	return tests, true
}

// parted leads a packet that has no value of one kind of lines to the others alone; what has some of each goes through all,
// block by block.
func (c *compiler) parted(lines []*line, k known) (part, bool) {
	groups, _ := k.groups(lines)
	if k.blocks || k.parted >= mostParted || len(lines) <= 4*leaf || len(groups) < 2 {
		return part{}, false
	}
	p := part{asks: "kinds"}
	next := k
	next.parted++
	for _, g := range groups[:min(len(groups), mostGroups)] {
		tests, ok := c.avoids(g, k)
		if !ok {
			continue
		}
		out := map[*line]bool{}
		for _, l := range g.lines {
			out[l] = true
		}
		others := next.decisive(only(lines, func(l *line) bool { return !out[l] }))
		p.rules = append(p.rules, rule{statements: append(implied(tests, k), c.branch(others, next, false).statement())})
	}
	if len(p.rules) == 0 {
		return part{}, false
	}
	p.rules = append(p.rules, c.cut(lines, k).rules...)
	return p, true
}

// blocks is cut, behind a question whether a packet has any value that the lines ask for.
func (c *compiler) blocks(lines []*line, k known) part {
	p := c.cut(lines, k)
	if !k.blocks {
		p.rules = append(c.guard(lines, k), p.rules...)
	}
	return p
}

// cut makes blocks of lines that follow each other, to be gone through in order.
func (c *compiler) cut(lines []*line, k known) part {
	if len(lines) <= k.block() {
		return part{c.linear(lines, k), "lines"}
	}
	size := k.block()
	for size*fan < len(lines) {
		size *= fan
	}
	p := part{asks: "blocks"}
	next := k
	next.depth++
	next.blocks = true
	for some := range slices.Chunk(lines, size) {
		if len(some) <= leaf/2 {
			p.rules = append(p.rules, c.linear(some, k)...)
			continue
		}
		inner := c.list(some, next)
		inner.rules = append(c.guard(some, next), inner.rules...)
		p.rules = append(p.rules, rule{statements: []statement{jumpTo{c.named(next, inner)}}})
	}
	return p
}

// guard gives a packet back that has no value that any of the lines asks for. No rule where that cannot be asked.
func (c *compiler) guard(lines []*line, k known) []rule {
	groups, rest := k.groups(lines)
	if rest > 0 || len(groups) > mostTests {
		return nil
	}
	var all []statement
	for _, g := range groups {
		tests, ok := c.avoids(g, k)
		if !ok {
			return nil
		}
		all = append(all, tests...)
	}
	return []rule{{statements: append(implied(all, k), giveBack{})}}
}

// implied puts what nft takes to be implied before the first question that implies it.
func implied(tests []statement, k known) []statement {
	var out []statement
	for _, s := range tests {
		var before []statement
		switch x := s.(type) {
		case lookup:
			before = x.question.implies()
		case maskedIn:
			before = []statement{impliedFamily{x.family}}
		}
		for _, y := range before {
			if !slices.Contains(out, y) {
				out = append(out, y)
			}
		}
		out = append(out, s)
	}
	return out
}
