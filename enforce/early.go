package enforce

import (
	"reflect"
	"slices"

	"pfw/config/policy"
)

// What is sure to be dropped is cheapest dropped before conntrack has looked at it: in the prerouting hook, before the priority
// at which conntrack stands and behind the one at which fragments are put together. That must be nothing but earlier: the same
// packets, by the same counter, with the same message to the log. It is, under these conditions.
//
// Who is banned is dropped before anything is asked but for loopback, so all there is to ask is whether the packet comes in for
// this machine. Before routing, and before a translation of addresses that only conntrack remembers, nobody can say so of a
// packet. But it goes nowhere else where nothing is passed on in the network namespace (Table.EndsHere); and where packets that
// are passed on are looked at, a ban drops them, too. A source is not translated before the rules for in have seen it. What
// goes out is asked where it was: its destination may be translated yet.
//
// Rules for in that stand before all others, block whoever is on a list, and ask for nothing else are asked early where nothing
// is passed on. The packet must be one that the rules would come to see (openings): no reply, no error about a connection and
// nothing that is always in force. Of TCP only a packet with SYN alone is no reply. Of UDP any may be; so the rule must block
// the address in both directions, and before any rule that allows something out: then there is no connection with it, and one
// that is open when the rule comes is about to be cut. These rules stay where they are as well, as not all of their packets are
// dropped early.
//
// What differs: packets that would not have got as far as the rules, since routing or another table drops them, since
// conntrack finds them damaged or has no room, are counted and logged by what blocks them. Where another table sends packets on
// to another port or address of this machine, the log has those that they came for. UDP of a connection that was cut is blocked
// by the rule that it was cut for, and not in silence. And what a conntrack helper expects from somebody on the list (where one is
// set up, for SIP or active FTP) is blocked.

// early is what is dropped before conntrack.
type early struct {
	// bans says that there is such a chain. The bans are always in it, and asked there alone.
	bans  bool
	rules []*policy.Rule
}

// mostEarly bounds the rules that are asked early: everybody's packets pass them.
const mostEarly = 8

func earlyOf(p *policy.Policy, o Options) early {
	_, looked := p.Default(policy.Forward)
	if p.Panics() || !o.EndsHere && !looked {
		return early{}
	}
	var e early
	if o.EndsHere {
		e.rules = leading(p)
	}
	e.bans = o.Banned || len(e.rules) > 0
	return e
}

// leading gives the rules that stand before all that ask for more, or do anything else, and have somebody blocked both ways.
func leading(p *policy.Policy) (rules []*policy.Rule) {
	for _, r := range p.Rules() {
		if r.Disabled {
			continue
		}
		in, comesIn := r.Match(policy.In)
		out, goesOut := r.Match(policy.Out)
		switch {
		case !comesIn && !(goesOut && r.Action == policy.Allow):
			continue
		case r.Action != policy.Block, r.Bounded(), !comesIn, !goesOut, !onlySource(in), !onlyDestination(out), len(rules) == mostEarly:
			return rules
		}
		rules = append(rules, r)
	}
	return rules
}

// onlySource tells whether a match asks for nothing but where a packet is from, by what the file says and not by names.
func onlySource(m *policy.Match) bool {
	rest := *m
	rest.Source = policy.Addresses{}
	return !m.Source.Any() && m.Source.Static() && reflect.DeepEqual(rest, policy.Match{Direction: m.Direction, Traffic: policy.AnyTraffic{}})
}

// onlyDestination tells the same of where it goes.
func onlyDestination(m *policy.Match) bool {
	rest := *m
	rest.Destination = policy.Addresses{}
	return !m.Destination.Any() && m.Destination.Static() && reflect.DeepEqual(rest, policy.Match{Direction: m.Direction, Traffic: policy.AnyTraffic{}})
}

// dropEarly makes the chain before conntrack.
func (c *compiler) dropEarly() {
	if !c.early.bans {
		return
	}
	base := chain{name: earlyChain, at: policy.In, early: true, policy: accept}
	add := func(statements ...statement) { base.rules = append(base.rules, rule{statements: statements}) }
	lo, _ := loopback(policy.In)
	outside := lo
	outside.not = true
	for _, r := range c.bans(policy.In) {
		// Behind the question who it is, as that tells most packets apart.
		r.statements = slices.Insert(r.statements, len(r.statements)-2, statement(outside))
		base.rules = append(base.rules, r)
	}
	if len(c.early.rules) > 0 {
		// Most of what comes is of connections. It leaves before a list is asked.
		add(protocolIs{policy.TCP}, opensTCP{not: true}, accept)
	}
	for _, r := range c.early.rules {
		m, _ := r.Match(policy.In)
		if len(m.Families()) == 0 {
			continue
		}
		to := c.openings(lo, deciderChain(policy.In, string(r.Name)))
		for _, f := range m.Families() {
			if m.Source.Set().All(f) {
				add(familyIs{f}, goTo{to}) // but for some of the other
				continue
			}
			add(familyIs{f}, c.address(m.Source, f, source), goTo{to})
		}
	}
	c.bases = append(c.bases, base)
}

// openings makes the chain that hands to a decider what is sure to come to the rules: packets that open a connection, by their
// form. What it does not hand over goes on its way.
func (c *compiler) openings(lo interfaceIs, decider string) string {
	ch := chain{name: decider + "/early"}
	add := func(statements ...statement) { ch.rules = append(ch.rules, rule{statements: statements}) }
	add(lo, accept)
	add(protocolIs{policy.TCP}, goTo{decider}) // with SYN alone
	for _, f := range policy.Families {
		from, to := policy.DHCPPorts(f, policy.In)
		add(familyIs{f}, protocolIs{policy.UDP},
			portIn{protocol: policy.UDP, end: source, one: policy.PortRange{First: from, Last: from}},
			portIn{protocol: policy.UDP, end: destination, one: policy.PortRange{First: to, Last: to}}, accept)
	}
	add(protocolIs{policy.UDP}, goTo{decider})
	for _, p := range []policy.Protocol{policy.ICMP, policy.ICMPv6} {
		var types []uint8
		for t := range 256 {
			if policy.ICMPOpens(p, uint8(t)) {
				types = append(types, uint8(t))
			}
		}
		f := policy.IPv4
		if p == policy.ICMPv6 {
			f = policy.IPv6
		}
		add(familyIs{f}, protocolIs{p}, c.among(question{dimension: byType, protocol: p}, single(types)), goTo{decider})
	}
	c.chains = append(c.chains, ch)
	return ch.name
}
