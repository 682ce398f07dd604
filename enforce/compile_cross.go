package enforce

import "slices"

// crossFan is into how many parts the blocks before a block are put together, and those parts again.
const crossFan = 4

// crossed is for lines of two kinds: such that ask for one value alone, an address say, and such that ask for another, a
// port, whatever else. A packet that has both goes by its port to the first block that names it. Where an earlier line
// names its address, which a few sets tell, it comes back and the first line of its address decides; else the block does.
// So nothing but blocks is led to from more than one place: kernels before 6.19 go all ways to see whether they end.
func (c *compiler) crossed(lines []*line, k known) (part, bool) {
	// Of a long list it is known what is near none of its entries, and what is on none must be told here.
	if k.blocks || len(lines) <= 4*leaf || slices.ContainsFunc(lines, (*line).isLong) {
		return part{}, false
	}
	alone, by, ok := k.cross(lines)
	if !ok {
		return part{}, false
	}
	x := crossing{c: c, k: k, alone: alone, by: by, before: map[[2]int][]statement{}}
	var own, others []*line
	for some := range slices.Chunk(lines, block) {
		x.blocks = append(x.blocks, some)
	}
	for _, l := range lines {
		if x.isAlone(l) {
			own = append(own, l)
		} else {
			others = append(others, l)
		}
	}
	absent, ok := c.avoids(group{alone.fact() | listedOf(alone), own}, k)
	if !ok {
		return part{}, false
	}
	p := part{asks: "cross"}
	p.rules = append(p.rules, rule{statements: append(implied(absent, k), c.branch(k.decisive(others), k, false).statement())})
	settled := k
	settled.decided |= by.fact()
	sure := !slices.ContainsFunc(others, func(l *line) bool { return !settled.bare(l) })
	if !sure {
		// A block may decide nothing. Then all are gone through, but for a packet that has the one value alone.
		none, ok := c.avoids(group{by.fact(), others}, k)
		if !ok {
			return part{}, false
		}
		p.rules = append(p.rules, rule{statements: append(implied(none, k), c.branch(own, k, false).statement())})
	}
	firsts := x.firsts()
	if firsts == nil {
		return part{}, false
	}
	p.rules = append(p.rules, c.led(firsts, k, true).rules...)
	if sure {
		p.rules = append(p.rules, c.list(own, k).rules...)
	} else {
		// What has both and whose first block does not decide.
		k.seldom = true
		p.rules = append(p.rules, c.cut(lines, k).rules...)
	}
	return p, true
}

// cross finds two dimensions of which each line asks for the first alone, or for the second.
func (k known) cross(lines []*line) (alone, by dimension, ok bool) {
	usable := func(d dimension) bool {
		return k.readable(d) && !k.decided.has(d.fact()) && d != byEntering && d != byLeaving
	}
	for by := range dimension(dimensions) {
		for alone := range dimension(dimensions) {
			if alone == by || !usable(alone) || !usable(by) {
				continue
			}
			n := 0
			for _, l := range lines {
				asks := l.asks &^ k.decided
				if only := alone.fact() | listedOf(alone); asks != 0 && asks&^only == 0 {
					n++
				} else if !asks.has(by.fact()) {
					n = -1
					break
				}
			}
			if n > 0 && n < len(lines) {
				return alone, by, true
			}
		}
	}
	return 0, 0, false
}

// listedOf is the fact that stands for long lists of a dimension.
func listedOf(d dimension) facts {
	switch d {
	case bySource:
		return listedSource
	case byDestination:
		return listedDestination
	}
	return 0
}

type crossing struct {
	c         *compiler
	k         known
	alone, by dimension
	blocks    [][]*line
	// before holds what tells whether a line of some blocks asks for a packet's value alone.
	before map[[2]int][]statement
}

func (x *crossing) isAlone(l *line) bool {
	asks := l.asks &^ x.k.decided
	return asks&^(x.alone.fact()|listedOf(x.alone)) == 0
}

// firsts leads each value to the first block that asks for it.
func (x *crossing) firsts() *classes {
	var stand []*line
	for i, lines := range x.blocks {
		var runs []run
		for _, l := range lines {
			if !x.isAlone(l) {
				runs = append(runs, l.runs[x.by]...)
			}
		}
		if len(runs) > 0 {
			deeper := x.k
			deeper.depth++
			l := &line{to: x.c.named(deeper, part{x.block(i), "block"}), back: true}
			l.set(x.by, merged(runs))
			stand = append(stand, l)
		}
	}
	return classesOf(stand, x.by, x.k)
}

// block decides a packet whose value the block is the first to ask for, or gives it back where an earlier line decides.
func (x *crossing) block(i int) []rule {
	var out []rule
	for size := 1; size < len(x.blocks); size *= crossFan {
		from, to := i/(size*crossFan)*size*crossFan, i/size*size
		for _, test := range x.within(from, to) {
			out = append(out, rule{statements: append(implied([]statement{test}, x.k), giveBack{})})
		}
	}
	slices.Reverse(out) // the largest first
	return append(out, x.c.linear(x.blocks[i], x.k)...)
}

// within asks whether a line of some blocks asks for the packet's value alone.
func (x *crossing) within(from, to int) []statement {
	at := [2]int{from, to}
	if _, known := x.before[at]; !known && from < to {
		var own []*line
		for _, l := range slices.Concat(x.blocks[from:to]...) {
			if x.isAlone(l) {
				own = append(own, l)
			}
		}
		tests, _ := x.c.avoids(group{x.alone.fact() | listedOf(x.alone), own}, x.k)
		for i, test := range tests {
			s := test.(lookup)
			s.not = !s.not
			tests[i] = s
		}
		x.before[at] = tests
	}
	return x.before[at]
}
