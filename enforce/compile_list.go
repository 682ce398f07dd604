package enforce

import (
	"slices"
	"strings"

	"pfw/config/policy"
)

// A list of lines is compiled into rules that decide by the first line that a packet meets, as the lines do one after
// the other, and that give the packet back where it meets none. Asking is without effect, so a part of a list may be asked
// again by another way; and what a way has found out of its packets is not asked again on it. The ways, in the order in which
// they are tried:
//
//   - few lines are asked one after the other (linear);
//   - each family and each protocol with a header goes on with its own lines (families, protocols);
//   - a map leads the values of a dimension to the lines that they may meet, and what is left to the lines that do not ask for
//     it (classes); or, in order, maps stand between a few such lines (runs);
//   - where lines ask for long lists in few places, these and what stands between them are lists of their own (between);
//   - of lines that ask for two different values, a packet that has none of the one goes on with the others alone, and one
//     that has both is led to the block of lines where the first of it stands (crossed, parted);
//   - what is left is cut into blocks, each behind a set of all values that it asks for (cut).
//
// So a packet that no rule asks about is through after a lookup or two for each dimension, whatever the number of rules.
//
// The size is bounded. Classes hold sparePerLine copies of a line on average. Lines are parted mostParted times at most, into
// mostGroups parts. A block is in one place; its values are in one set for each of the levels into which blocks are put
// together, of which there are as many as the logarithm of their number. Where all of it comes to more than budgetPerLine for
// each value that a line asks for, the rest is asked one after the other.
const (
	leaf          = 8
	block         = 16 // lines of the smallest blocks
	seldomBlock   = 64 // the same where few packets come: each block costs sets, and each set costs time to load
	few           = 16 // lines that stay where they are
	many          = 64 // from here on, a set for each line would be too many sets
	mostDepth     = 7  // of chains; the kernel has 15 behind one at a hook (NFT_JUMP_STACK_SIZE), of which long lists take two and a decider six
	mostParted    = 2
	budgetPerLine = 32
)

// part is what a list comes to: rules, and in a word what they ask for first.
type part struct {
	rules []rule
	asks  string
}

// list compiles lines. The rules stand at the end of a chain that was jumped to.
func (c *compiler) list(lines []*line, k known) part {
	lines = k.decisive(lines)
	if len(lines) <= leaf || k.blocks && len(lines) <= k.block() || k.depth >= mostDepth || c.spent > c.budget {
		return part{c.linear(lines, k), "lines"}
	}
	for _, way := range []func([]*line, known) (part, bool){c.families, c.protocols, c.classes, c.runs, c.between, c.crossed, c.parted} {
		if p, ok := way(lines, k); ok {
			return p
		}
	}
	return c.blocks(lines, k)
}

// decisive cuts off what follows a line that decides all.
func (k known) decisive(lines []*line) []*line {
	if i := slices.IndexFunc(lines, k.bare); i >= 0 {
		return lines[:i+1]
	}
	return lines
}

// named adds a chain that is named by its rules.
func (c *compiler) named(k known, p part) string {
	name := k.path() + p.asks + "_" + c.digest(p.rules)
	if !c.made[name] {
		c.made[name] = true
		c.chains = append(c.chains, chain{name: name, rules: p.rules, fixed: true})
	}
	return name
}

// path is what the names of chains and maps begin with: what is known of the packets. A rule's name has no '/'.
func (k known) path() string {
	of := "any"
	if len(k.protocols) > 0 {
		words := make([]string, len(k.protocols))
		for i, p := range k.protocols {
			words[i] = p.String()
		}
		of = strings.Join(words, "-")
	}
	return k.direction.String() + "/" + of + "/"
}

// families leads each family to the lines that it may meet.
func (c *compiler) families(lines []*line, k known) (part, bool) {
	if k.family != 0 || !slices.ContainsFunc(lines, func(l *line) bool { return l.family != 0 }) {
		return part{}, false
	}
	p := part{asks: "family"}
	for _, f := range policy.Families {
		own := only(lines, func(l *line) bool { return l.family == 0 || l.family == f })
		if len(own) == 0 {
			continue
		}
		next := k
		next.family = f
		p.rules = append(p.rules, rule{statements: []statement{familyIs{f}, c.branch(next.decisive(own), next, false).statement()}})
	}
	return p, true
}

// headed are the protocols that lead to lines of their own, as their headers can be asked for. So there are at most four
// copies of a line.
var headed = []policy.Protocol{policy.TCP, policy.UDP, policy.SCTP, policy.ICMP, policy.ICMPv6}

// protocols leads each protocol with a header to the lines that it may meet, the others to the rest.
func (c *compiler) protocols(lines []*line, k known) (part, bool) {
	if len(k.protocols) > 0 || k.decided.has(headedDecided) {
		return part{}, false
	}
	m := tableOf{question: k.ask(byProtocol)}
	for i, p := range headed {
		own, mentioned := meeting(lines, p)
		if !mentioned {
			continue
		}
		next := k
		next.decided |= byProtocol.fact()
		// What has the same lines as another shares them.
		for _, q := range headed {
			if same, _ := meeting(lines, q); q.HasPorts() == p.HasPorts() && slices.Equal(own, same) {
				next.protocols = append(next.protocols, q)
			}
		}
		one := value{lo: uint64(p)}
		if first := slices.Index(headed, next.protocols[0]); first < i {
			m.add(run{one, one}, m.to[slices.IndexFunc(m.runs, func(r run) bool { return r.first.lo == uint64(headed[first]) })])
			continue
		}
		m.add(run{one, one}, c.branch(next.decisive(own), next, false))
	}
	if len(m.runs) == 0 {
		return part{}, false
	}
	k.decided |= headedDecided
	rest := only(lines, func(l *line) bool {
		return !l.asks.has(byProtocol.fact()) || slices.ContainsFunc(l.runs[byProtocol], func(r run) bool {
			return !slices.Contains(headed, policy.Protocol(r.first.lo))
		})
	})
	out := part{c.choice(m, k), "protocol"}
	out.rules = append(out.rules, c.list(rest, k).rules...)
	return out, true
}

// meeting gives the lines that packets of a protocol may meet, and tells whether any of them asks for the protocol.
func meeting(lines []*line, p policy.Protocol) (own []*line, mentioned bool) {
	one := value{lo: uint64(p)}
	own = only(lines, func(l *line) bool {
		asks := slices.Contains(l.runs[byProtocol], run{one, one})
		mentioned = mentioned || asks
		return asks || !l.asks.has(byProtocol.fact())
	})
	return own, mentioned
}

func only(lines []*line, want func(*line) bool) []*line {
	var out []*line
	for _, l := range lines {
		if want(l) {
			out = append(out, l)
		}
	}
	return out
}
