package enforce

import (
	"slices"

	"pfw/config/policy"
)

// classes leads the values of one dimension to the lines that they may meet: of the one that leaves the fewest of them.
func (c *compiler) classes(lines []*line, k known) (part, bool) {
	var best *classes
	for d := range dimension(dimensions) {
		if !k.readable(d) || k.decided.has(d.fact()) {
			continue
		}
		x := classesOf(lines, d, k)
		// Half of the lines in one class, and little is gained.
		if x == nil || 2*x.longest > len(lines) && x.longest > leaf/2 {
			continue
		}
		if best == nil || x.longest < best.longest || x.longest == best.longest && x.copies < best.copies {
			best = x
		}
	}
	if best == nil {
		return part{}, false
	}
	p := c.led(best, k, false)
	p.rules = append(p.rules, c.list(best.wild, k).rules...)
	return p, true
}

// led writes the rules that lead to classes. Where more lines follow, a packet that meets none of its class must come back.
func (c *compiler) led(x *classes, k known, back bool) part {
	q := k.ask(x.dimension)
	c.spent += len(x.runs)
	next := k
	next.decided |= x.dimension.fact()
	to := make([]branch, len(x.list))
	for i, cl := range x.list {
		to[i] = c.branch(cl.lines, next, back)
	}
	m := tableOf{q, make([]run, 0, len(x.runs)), make([]branch, 0, len(x.runs))}
	var beginnings []class
	var rules []rule
	for i, r := range x.runs {
		cl := x.list[x.by[i]]
		if cl.of != (policy.Interface{}) {
			if _, prefix := comparedName(cl.of); prefix {
				beginnings = append(beginnings, class{cl.lines, cl.of})
				continue
			}
		}
		m.add(r, to[x.by[i]])
	}
	rules = c.choice(m, k)
	// No map holds beginnings of names. The longest first: its lines are also those of the shorter ones.
	slices.SortStableFunc(beginnings, func(a, b class) int { return len(b.of.String()) - len(a.of.String()) })
	for _, cl := range beginnings {
		side := entering + hookSide(x.dimension-byEntering)
		rules = append(rules, rule{statements: []statement{interfaceIs{side: side, iface: cl.of}, c.branch(cl.lines, next, back).statement()}})
	}
	return part{rules, q.name()}
}

// branch is where a packet is sent.
type branch struct {
	chain string
	back  bool // it comes back where the chain decides nothing
}

func (b branch) statement() statement {
	if b.back {
		return jumpTo{b.chain}
	}
	return goTo{b.chain}
}

// branch leads to lines: straight to the decider where nothing is left to ask.
func (c *compiler) branch(lines []*line, k known, back bool) branch {
	if k.bare(lines[0]) {
		return branch{lines[0].to, lines[0].back}
	}
	k.depth++
	return branch{c.named(k, c.list(lines, k)), back}
}

// tableOf is a map to be: runs of values, ascending, and where each leads.
type tableOf struct {
	question question
	runs     []run
	to       []branch
}

func (m *tableOf) add(r run, to branch) {
	m.runs = append(m.runs, r)
	m.to = append(m.to, to)
}

// fewRuns are compared sooner than they are looked up.
const fewRuns = 2

// choice writes a map as a rule, or as comparisons where it is small.
func (c *compiler) choice(m tableOf, k known) []rule {
	if len(m.runs) == 0 {
		return nil
	}
	kind := m.question.kind()
	if len(m.runs) <= fewRuns && kind != &nameKind {
		var out []rule
		for i, r := range m.runs {
			for _, one := range kind.apart(r) {
				out = append(out, rule{statements: append(m.question.implies(), m.question.within(one), m.to[i].statement())})
			}
		}
		return out
	}
	runs, to := m.runs, m.to
	if !kind.interval {
		runs, to = nil, nil
		for i, r := range m.runs {
			for _, one := range kind.apart(r) {
				runs, to = append(runs, one), append(to, m.to[i])
			}
		}
	}
	s := mapOf(kind, runs, to)
	s.name = k.path() + m.question.name() + "_" + s.name
	return []rule{{statements: append(m.question.implies(), choose{m.question, c.keep(s)})}}
}

// apart gives the values of a run one by one where sets of the kind hold no ranges.
func (k *kind) apart(r run) []run {
	if k.interval {
		return []run{r}
	}
	out := []run{{r.first, r.first}}
	for v := r.first; v != r.last; {
		v = v.next()
		out = append(out, run{v, v})
	}
	return out
}
