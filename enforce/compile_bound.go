package enforce

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
)

// What a rule's bounds are counted in are sets that are named by the rule and the bound, so that they keep what they counted
// over any reload that leaves the bound as it is, and begin anew where it is another. Where thousands of rules are bounded they
// share sets, as the kernel goes through all of a table's sets to find one by its name. A packet that is not within what it is
// to be within is blocked: also where it cannot be counted, as there is no room for its remote.

// bound appends to a decider's chain what holds packets to the rule's bounds. Where that takes further chains, each for what
// is within the bound before, the last of them is given, for what becomes of a packet that is within all.
func (c *compiler) bound(x decider, ch chain) chain {
	r := x.rule
	c.logged[x.excess()] = !r.Quiet
	if b := r.Ban; b != nil {
		over := newOverRate(b.Over)
		meters := c.meters(x, "ban", policy.PerRemote, set{}, meter{timeout: keptFor(over), bound: over}, over.name(), fmt.Sprint(int(b.For.Seconds())))
		to := c.banning(x, meters)
		for _, m := range meters {
			ch.rules = append(ch.rules, rule{statements: append(m, jumpTo{to})})
		}
	}
	within := func(b policy.Bound, meters [][]statement) {
		next := chain{name: ch.name + "/" + b.String()}
		for _, m := range meters {
			ch.rules = append(ch.rules, rule{statements: append(m, goTo{next.name})})
		}
		ch.rules = append(ch.rules, c.excess(x, b)...)
		c.chains = append(c.chains, ch)
		ch = next
	}
	if l := r.Limit; l != nil {
		rate := newOverRate(l.Rate)
		rate.burst = l.Burst
		within(policy.ByLimit, c.meters(x, "limit", l.Per, set{}, meter{timeout: keptFor(rate), bound: withinRate{rate}}, rate.name()))
	}
	if m := r.MaxConnections; m != nil {
		// Counted last: one that is refused is none.
		within(policy.ByConnections, c.meters(x, "connections", m.Per, set{untimed: true}, meter{bound: withinConnections{m.Count}}, fmt.Sprint(m.Count)))
	}
	return ch
}

// meters gives what counts a packet, for each family where remotes are counted: m in a set like s. what names it, with the
// rule and whatever else, changed, is to begin anew.
func (c *compiler) meters(x decider, what string, per policy.Per, s set, m meter, parameters ...string) [][]statement {
	var out [][]statement
	s.dynamic, s.byRules, s.ofRule, s.spans = true, true, true, noSpans
	add := func(name string, alone, shared *kind, before ...statement) {
		counter := strings.Join(append([]string{name, x.name}, parameters...), "/")
		s.name, s.kind = counter, alone
		if set, number, ok := c.shared(name, counter); ok {
			s.name, s.kind, m.number = set, shared, number
		}
		m.set = c.keep(s)
		out = append(out, append(before, m))
	}
	if per == policy.PerRule {
		add(what, &markKind, &markKind)
		return out
	}
	for _, f := range x.families {
		m.family, m.end = f, remoteEnd(x.tag.Direction)
		add(ofFamily(what, f), bannedKind(f), numberedKind(f), familyIs{f})
	}
	return out
}

// mostAlone bounds the rules whose bounds count in sets of their own.
const mostAlone = 256

// shared gives one of the sets that rules share, where they are many, and the number by which what is counted for one of them
// is found in it. Both come of its name alone, so that they stay whatever becomes of other rules.
func (c *compiler) shared(what, counter string) (set string, number uint32, ok bool) {
	if c.bounded <= mostAlone {
		return "", 0, false
	}
	sum := sha256.Sum256([]byte(counter))
	const groups = 64 // so that one that is full bears on few rules
	set, number = fmt.Sprintf("%s/%02x", what, sum[4]%groups), binary.BigEndian.Uint32(sum[:])
	id := fmt.Sprintf("%s %08x", set, number)
	if of, taken := c.numbers[id]; number == 0 || taken && of != counter {
		return "", 0, false
	}
	c.numbers[id] = counter
	return set, number, true
}

// name spells the rate as the name of a set can.
func (s overRate) name() string { return fmt.Sprintf("%d/%s/%d", s.packets, s.per, s.burst) }

// keptFor is after how long a bucket is full whatever it was, and need not be remembered. A second more is for rounding.
func keptFor(s overRate) time.Duration {
	each := float64(s.unit) * float64(time.Second) / float64(s.packets)
	return time.Duration(each*float64(s.burst)).Truncate(time.Second) + 2*time.Second
}

// excess gives the rules for a packet that is over a bound: counted for itself, logged, and dropped.
func (c *compiler) excess(x decider, b policy.Bound) []rule {
	message := logTo{x.tag, x.file}
	message.tag.Action, message.tag.Over, message.tag.Written = policy.Block, x.rule.Over(b), !x.rule.Quiet
	// pfwd learns of a ban by its message, so each has one: the kernel bounds how many there are.
	var unwritten []statement
	if b == policy.ByBan {
		quiet := message
		quiet.tag.Written = false
		unwritten = []statement{quiet}
	}
	first := []statement{c.counter(x.excess())}
	if !message.tag.Written {
		return []rule{{statements: append(append(first, unwritten...), drop)}}
	}
	var out []rule
	if !x.cap.Unlimited() {
		over := append([]statement{newOverRate(x.cap), c.counter(overCounter + x.excess())}, unwritten...)
		out = append(out, rule{statements: append(append(first, over...), drop)})
		first = nil
	}
	return append(out, rule{statements: append(first, c.counter(sentCounter+x.excess()), message, drop)})
}

// banning makes the chain for a packet that is over the rate of the rule's ban, and gives its name. It gives back a packet
// whose remote is never banned. Who is banned begins anew when the ban is over: meters, by family, are what counted.
func (c *compiler) banning(x decider, meters [][]statement) string {
	e := remoteEnd(x.tag.Direction)
	to := chain{name: deciderChain(x.tag.Direction, x.name) + "/" + policy.ByBan.String(), rules: c.spares(e)}
	done := chain{name: to.name + "ned", rules: c.excess(x, policy.ByBan)}
	for i, r := range c.ban(x.families, e, x.rule.Ban.For, goTo{done.name}) {
		counted := meters[i][len(meters[i])-1].(meter)
		r.statements = slices.Insert(r.statements, len(r.statements)-1, statement(forget{counted}))
		to.rules = append(to.rules, r)
	}
	to.rules = append(to.rules, rule{statements: []statement{c.counter(refusedCounter)}})
	to.rules = append(to.rules, c.excess(x, policy.ByFullBan)...)
	c.chains = append(c.chains, done, to)
	return to.name
}

// ban gives the rules that ban the remote at an end of a packet for a time, and then do what is to be done. Where there is no
// room for one ban more, the packet goes on.
func (c *compiler) ban(families []policy.Family, e end, d time.Duration, done statement) []rule {
	var out []rule
	for _, f := range families {
		out = append(out, rule{statements: []statement{familyIs{f}, banEnd{f, e, d}, done}})
	}
	return out
}

// spares gives the rules that give a packet back whose remote is never banned: this machine's own addresses, those that are
// nobody's or many's, what the file names, and who was pardoned a moment ago.
func (c *compiler) spares(e end) []rule {
	s := fibKind.setOf(single(spareTypes))
	s.name = spareSet
	c.keep(s)
	out := []rule{{statements: []statement{neverBanned{e}, giveBack{}}}}
	for _, f := range policy.Families {
		out = append(out, rule{statements: []statement{familyIs{f}, c.address(policy.NewAddresses(c.policy.Spared(), ""), f, e), giveBack{}}})
		out = append(out, rule{statements: []statement{familyIs{f}, inDynamic{keyed{family: f, end: e}, c.dynamic(ofFamily(pardonedSet, f), bannedKind(f), pardons)}, giveBack{}}})
	}
	return out
}

// remoteEnd is the end of a packet that a rule's bounds count by.
func remoteEnd(d policy.Direction) end {
	// Of what passes through it is the first, the source.
	return remoteEnds(d)[0]
}
