package enforce

import (
	"maps"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
)

// Options is what a ruleset depends on beside the policy.
type Options struct {
	// Now is the time from which on schedules are written out, for a year, in the location by whose clock they are read.
	Now time.Time
	// Networks are those whose addresses are all banned; nil is none. Single remotes are banned while the ruleset is in force.
	Networks *policy.AddressSet
	// EndsHere says that nothing is passed on in the network namespace, as Table.EndsHere tells, and Banned that somebody is
	// banned: then packets are dropped before conntrack, which else would be wrong, or would cost everybody for nothing.
	EndsHere, Banned bool
	// Resolver fills the sets of addresses that names have, where they are not in the kernel yet.
	Resolver Resolver

	// linear asks line after line, for a test to compare with.
	linear bool
}

// Places tells whether a ruleset of these options drops packets where one of others would: before conntrack or behind it. Bans
// come and go, so that nobody is banned any more is no reason for another.
func (o Options) Places(other Options) bool {
	return o.EndsHere == other.EndsHere && (o.Banned || !other.Banned)
}

// Compile makes the ruleset of a policy. The same policy at the same time gives the same ruleset.
func Compile(p *policy.Policy, o Options) Ruleset {
	c := compiler{policy: p, options: o, early: earlyOf(p, o), sets: map[string]set{}, windows: map[*policy.Schedule]timeMatch{}, counted: map[string]bool{}, made: map[string]bool{}, logged: map[string]bool{}, numbers: map[string]string{}, numbered: strings.NewReplacer()}
	for _, r := range p.Rules() {
		if r.Bounded() && !r.Disabled {
			c.bounded++
		}
	}
	for _, s := range dynamicSets(p.Bans()) {
		c.keep(s)
	}
	c.nameSets()
	for _, a := range p.Always() {
		c.counter(alwaysCounter + a.String())
	}
	c.counter(cutCounter)
	c.counter(keptCounter)
	for _, d := range policy.Directions {
		c.counters(defaultCounter + d.String())
		c.direction(d)
	}
	c.dropEarly()
	c.copies()
	if c.rejects {
		c.chains = append(c.chains, c.reject())
	}
	c.prune()
	r := Ruleset{
		sets:     slices.SortedFunc(maps.Values(c.sets), func(a, b set) int { return compareNames(a.name, b.name) }),
		counters: c.names,
		// A chain stands before those that go to it.
		chains: c.unfold(slices.Concat(c.chains, c.bases, c.careful)),
		logged: c.logged,
		made:   new(byte),
	}
	if last := len(r.chains) - 1; len(c.careful) > 0 {
		r.chains, r.careful = r.chains[:last], &r.chains[last]
	}
	return r
}

// compiler gathers what a ruleset is made of.
type compiler struct {
	policy  *policy.Policy
	options Options
	sets    map[string]set
	windows map[*policy.Schedule]timeMatch
	names   []string // of counters, in order
	counted map[string]bool
	chains  []chain // at no hook
	bases   []chain
	early   early
	careful []chain         // see Ruleset
	made    map[string]bool // names of chains of lines
	rejects bool
	// spent counts rules and elements as they are made of lines, and budget is what they may come to.
	spent, budget int
	logged        map[string]bool
	// bounded counts the rules with bounds, and numbers holds what is counted under each number that is given.
	bounded int
	numbers map[string]string
	// watching are the behaviours whose chains are made.
	watching []policy.Behaviour
	// lists are the digests of the long lists, each with its number, and numbered puts the one for the other.
	lists    []string
	numbered *strings.Replacer
}

// direction makes the chain at a hook and those of its rules, one after the other.
func (c *compiler) direction(d policy.Direction) {
	byDefault, hooked := c.policy.Default(d)
	if !hooked {
		if c.policy.Panics() {
			c.bases = append(c.bases, chain{name: baseName(d), at: d, policy: drop, rules: []rule{c.panic()}})
		}
		return
	}
	base := chain{name: baseName(d), at: d, policy: accept}
	if byDefault.Refuses() {
		base.policy = drop
	}
	var lines []*line
	for _, r := range c.policy.Rules() {
		m, ok := r.Match(d)
		if !ok || r.Disabled {
			continue
		}
		if own := c.lines(m, deciderChain(d, string(r.Name))); len(own) > 0 {
			x := deciderOf(c.policy, r, d)
			x.families = m.Families()
			c.decider(x)
			lines = append(lines, own...)
		}
	}
	rules := append(c.lead(lines, known{direction: d}), rule{statements: []statement{goTo{c.decider(defaultDecider(c.policy, d, byDefault))}}})
	if d == policy.In && c.early.bans {
		careful := base
		careful.rules = append(c.always(d, true), rules...)
		c.careful = []chain{careful}
	}
	base.rules = append(c.always(d, d != policy.In || !c.early.bans), rules...)
	c.bases = append(c.bases, base)
}

// lead decides by lines, or goes on: in place where they are few, else in a chain that the packet comes back from.
func (c *compiler) lead(lines []*line, k known) []rule {
	if len(lines) <= few || c.options.linear {
		return c.linear(lines, k)
	}
	lines = k.decisive(lines)
	k.large = len(lines) > many
	c.budget = c.spent
	for _, l := range lines {
		c.budget += budgetPerLine * l.weight()
	}
	return []rule{{statements: []statement{c.branch(lines, k, true).statement()}}}
}

// keep adds a set, unless there is one of the same contents, and gives its name.
func (c *compiler) keep(s set) string {
	if _, ok := c.sets[s.name]; !ok {
		c.sets[s.name] = s
	}
	return s.name
}

// counter adds a counter, once, and gives the statement that counts.
func (c *compiler) counter(name string) count {
	if !c.counted[name] {
		c.counted[name] = true
		c.names = append(c.names, name)
	}
	return count{name}
}

func compareNames(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// maxComment is what nft takes, in bytes (NFTNL_UDATA_COMMENT_MAXLEN).
const maxComment = 128

// commentOf makes a comment that a script can hold: nft has no way to write a quotation mark in one.
func commentOf(r *policy.Rule) string {
	out := make([]byte, 0, maxComment)
	for _, letter := range r.Comment {
		if letter == '"' {
			letter = '\''
		}
		if len(out)+len(string(letter)) > maxComment {
			break
		}
		out = append(out, string(letter)...)
	}
	return string(out)
}
