package enforce

import (
	"fmt"
	"slices"
	"time"

	"pfw/config/policy"
)

// Detectors stand where packets have been decided: of what is refused, ports are counted, of what is allowed, beginnings of TCP
// connections. So they cost what is established, and what they are not about, nothing.

// The sizes of the sets that detectors fill. A flood from many addresses fills them; what more comes is not seen then.
const (
	scanPorts   = 65536
	scanRemotes = 65536
	pardons     = 4096
)

// scanWindow is for how long a remote's port counts once.
func scanWindow(r policy.Rate) time.Duration { return max(r.Per, time.Second) }

// watched gives the rules that hand the packets of a decider to detectors, which give them back.
func (c *compiler) watched(x decider) []rule {
	detect := c.policy.Detect()
	switch {
	case x.tag.Direction != policy.In:
	case x.tag.Action.Refuses() && detect.PortScan.On():
		return []rule{{statements: []statement{jumpTo{c.portScan()}}}}
	case x.tag.Action == policy.Allow && detect.SYNFlood.On() && x.mayBe(policy.TCP):
		return []rule{{statements: []statement{protocolIs{policy.TCP}, jumpTo{c.synFlood()}}}}
	}
	return nil
}

// mayBe tells whether packets of the protocol come to a decider.
func (x decider) mayBe(p policy.Protocol) bool {
	if x.rule == nil {
		return true
	}
	for _, f := range policy.Families {
		if list, any := policy.ProtocolsOf(x.rule.Traffic, f); any || slices.Contains(list, p) {
			return true
		}
	}
	return false
}

// portScan makes the chains that count the distinct refused ports of each remote, once, and gives the first.
func (c *compiler) portScan() string {
	name := detectChain(policy.PortScan)
	if !c.first(policy.PortScan) {
		return name
	}
	d := c.policy.Detect().PortScan
	window := scanWindow(d.Over)
	again := window
	if d.Ban > 0 {
		again = min(again, d.Ban)
	}
	over := c.seen(policy.PortScan, d, again)

	fresh := chain{name: name + "/new"}
	rate := newOverRate(d.Over)
	for _, f := range policy.Families {
		m := meter{set: c.byRules(ofFamily("scan", f)+"/"+rate.name(), bannedKind(f), scanRemotes), family: f, end: source, timeout: keptFor(rate), bound: rate}
		fresh.rules = append(fresh.rules, rule{statements: []statement{familyIs{f}, m, goTo{over}}})
	}
	c.chains = append(c.chains, fresh)

	first := chain{name: name}
	add := func(statements ...statement) { first.rules = append(first.rules, rule{statements: statements}) }
	// Answers of servers that come too late go to as many ports as were used to ask them.
	add(protocolIs{policy.UDP}, portIn{protocol: policy.UDP, end: source, one: policy.PortRange{First: 1, Last: 1023}}, giveBack{})
	ported := c.among(question{dimension: byProtocol}, protocolRuns([]policy.Protocol{policy.TCP, policy.UDP, policy.SCTP}))
	for _, f := range policy.Families {
		key := keyed{family: f, end: source, ports: true}
		set := c.byRules(ofFamily(knockedSet, f), scanKind(f), scanPorts)
		add(familyIs{f}, ported, inDynamic{key, set}, giveBack{})
		add(familyIs{f}, ported, intoDynamic{key, set, window}, goTo{fresh.name})
		add(familyIs{f}, ported, c.counter(unseenCounter))
	}
	c.chains = append(c.chains, first)
	return name
}

// synFlood makes the chains that count the TCP connections that each remote begins, once, and gives the first. Which of them
// are completed, conntrack knows: pfwd asks it, where a remote begins too many.
func (c *compiler) synFlood() string {
	name := detectChain(policy.SYNFlood)
	if !c.first(policy.SYNFlood) {
		return name
	}
	d := c.policy.Detect().SYNFlood
	over := c.seen(policy.SYNFlood, policy.Detector{Over: d.Over}, time.Second)
	first := chain{name: name}
	rate := newOverRate(d.Over)
	for _, f := range policy.Families {
		m := meter{set: c.byRules(ofFamily("begun", f)+"/"+rate.name(), bannedKind(f), scanRemotes), family: f, end: source, timeout: keptFor(rate), bound: rate}
		first.rules = append(first.rules, rule{statements: []statement{familyIs{f}, m, goTo{over}}})
	}
	c.chains = append(c.chains, first)
	return name
}

// seen makes the chains for a packet whose remote exceeds what it may: told of once in a while, and banned where the detector
// says so. It gives the first of them.
func (c *compiler) seen(b policy.Behaviour, d policy.Detector, again time.Duration) string {
	name, group := detectChain(b)+"/over", c.policy.Log().Group
	told := chain{name: name + "/told"}
	tell := func(o Outcome) statement { return logSeen{Seen{b, o}, group} }
	told.rules = append(told.rules, rule{statements: []statement{c.counter(detectCounter + b.String()), tell(Over)}})
	if d.Ban > 0 {
		banned := chain{name: name + "/banned", rules: []rule{{statements: []statement{tell(Banned)}}}}
		c.chains = append(c.chains, banned)
		told.rules = append(told.rules, c.spares(source)...)
		told.rules = append(told.rules, c.ban(policy.Families, source, d.Ban, goTo{banned.name})...)
		told.rules = append(told.rules, rule{statements: []statement{c.counter(refusedCounter)}})
	}
	c.chains = append(c.chains, told)
	over := chain{name: name}
	for _, f := range policy.Families {
		key := keyed{family: f, end: source}
		set := c.byRules(ofFamily("told_"+b.String(), f), bannedKind(f), scanRemotes)
		over.rules = append(over.rules,
			rule{statements: []statement{familyIs{f}, inDynamic{key, set}, giveBack{}}},
			rule{statements: []statement{familyIs{f}, intoDynamic{key, set, again}, goTo{told.name}}})
	}
	c.chains = append(c.chains, over)
	return name
}

// first tells whether the chains of a behaviour are still to be made.
func (c *compiler) first(b policy.Behaviour) bool {
	if slices.Contains(c.watching, b) {
		return false
	}
	c.watching = append(c.watching, b)
	return true
}

// byRules adds a set that rules fill, and gives its name.
func (c *compiler) byRules(name string, k *kind, size uint32) string {
	s := dynamicSet(name, k, size)
	s.byRules = true
	return c.keep(s)
}

// dynamic adds a set that is filled while the table is in force, and gives its name.
func (c *compiler) dynamic(name string, k *kind, size uint32) string {
	return c.keep(dynamicSet(name, k, size))
}

func detectChain(b policy.Behaviour) string { return fmt.Sprintf("%s/%s", tagDetect, b) }
