package enforce

import (
	"fmt"

	"pfw/config/policy"
)

// always gives the rules that stand before those of the file; bans says that it is asked here who is banned.
func (c *compiler) always(d policy.Direction, bans bool) []rule {
	out := c.copying(d)
	add := func(statements ...statement) { out = append(out, rule{statements: statements}) }
	inForce := func(a policy.Always) count { return c.counter(alwaysCounter + a.String()) }

	if lo, ok := loopback(d); ok {
		add(lo, inForce(policy.Loopback), accept)
	}
	if c.policy.Panics() {
		out = append(out, c.panic())
	}
	if bans {
		out = append(out, c.bans(d)...)
	}
	add(isFollowing, inForce(policy.Established), accept)
	// Conntrack has forgotten the connections that were cut, so none of their packets follows anything. It is asked here, as
	// it takes seven per cent of what established packets cost.
	for _, f := range policy.Families {
		add(familyIs{f}, tupleIn{f, cutSet}, count{cutCounter}, drop)
	}
	// Connections older than pfw, which conntrack has not seen begin: TCP that is under way, and UDP.
	for _, f := range policy.Families {
		add(familyIs{f}, protocolIs{policy.TCP}, opensTCP{not: true}, tupleIn{f, keptSet}, count{keptCounter}, accept)
		add(familyIs{f}, protocolIs{policy.UDP}, tupleIn{f, keptSet}, count{keptCounter}, accept)
	}
	add(isInvalid, inForce(policy.Invalid), drop)
	add(isNew, protocolIs{policy.TCP}, opensTCP{not: true}, inForce(policy.Invalid), drop)

	// Conntrack does not track these, so they must be named. No router passes them on.
	neighbours := []statement{familyIs{policy.IPv6}, protocolIs{policy.ICMPv6},
		c.among(question{dimension: byType, protocol: policy.ICMPv6}, single(policy.ICMPv6AlwaysAllowed()))}
	if d == policy.Forward {
		add(append(neighbours, inForce(policy.Invalid), drop)...)
		return out
	}
	add(append(neighbours, inForce(policy.NeighbourDiscovery), accept)...)
	add(familyIs{policy.IPv4}, protocolIs{policy.IGMP}, inForce(policy.Membership), accept)
	for _, f := range policy.Families {
		from, to := policy.DHCPPorts(f, d)
		add(familyIs{f}, protocolIs{policy.UDP},
			portIn{protocol: policy.UDP, end: source, one: policy.PortRange{First: from, Last: from}},
			portIn{protocol: policy.UDP, end: destination, one: policy.PortRange{First: to, Last: to}},
			inForce(policy.DHCP), accept)
	}
	return out
}

// bans gives the rules that drop what is from or to who is banned.
func (c *compiler) bans(d policy.Direction) []rule {
	var out []rule
	for _, f := range policy.Families {
		for _, e := range remoteEnds(d) {
			out = append(out, rule{statements: []statement{familyIs{f}, bannedEnd{f, e}, c.counter(alwaysCounter + policy.Banned.String()), drop}})
		}
	}
	return append(out, c.bannedNetworks(d)...)
}

// bannedNetworks gives the rules for banned networks: none where none is banned.
func (c *compiler) bannedNetworks(d policy.Direction) []rule {
	var out []rule
	if c.options.Networks == nil {
		return nil
	}
	banned := policy.NewAddresses(c.options.Networks, "")
	for _, f := range policy.Families {
		if c.options.Networks.Empty(f) {
			continue
		}
		for _, e := range remoteEnds(d) {
			out = append(out, rule{statements: []statement{familyIs{f}, c.address(banned, f, e), c.counter(alwaysCounter + policy.Banned.String()), drop}})
		}
	}
	return out
}

// panic gives the rule that nothing comes past. What stands after it stays for the day when it is taken away: counters, sets
// and all.
func (c *compiler) panic() rule {
	return rule{statements: []statement{c.counter(alwaysCounter + policy.Panic.String()), drop}}
}

// loopback is the interface of what stays on this machine; ok is false for what passes through.
func loopback(d policy.Direction) (s interfaceIs, ok bool) {
	lo, err := policy.ParseInterface("lo")
	if err != nil {
		panic(err)
	}
	switch d {
	case policy.In:
		return interfaceIs{side: entering, iface: lo}, true
	case policy.Out:
		return interfaceIs{side: leaving, iface: lo}, true
	case policy.Forward:
		return interfaceIs{}, false
	}
	panic(fmt.Sprintf("enforce: direction %d", uint8(d)))
}

// remoteEnds says which ends of a packet may be banned.
func remoteEnds(d policy.Direction) []end {
	switch d {
	case policy.In:
		return []end{source}
	case policy.Out:
		return []end{destination}
	case policy.Forward:
		return []end{source, destination}
	}
	panic(fmt.Sprintf("enforce: direction %d", uint8(d)))
}

// dynamicSets are filled while the table is in force.
func dynamicSets(b policy.Bans) []set {
	return []set{
		banSet(policy.IPv4, b.Size),
		banSet(policy.IPv6, b.Size),
		dynamicSet(ofFamily(cutSet, policy.IPv4), &tuple4Kind, dynamicSize),
		dynamicSet(ofFamily(cutSet, policy.IPv6), &tuple6Kind, dynamicSize),
		dynamicSet(ofFamily(keptSet, policy.IPv4), &tuple4Kind, dynamicSize),
		dynamicSet(ofFamily(keptSet, policy.IPv6), &tuple6Kind, dynamicSize),
	}
}

func banSet(f policy.Family, size uint32) set {
	s := dynamicSet(ofFamily(bannedSet, f), bannedKind(f), size)
	s.byRules = true
	return s
}

// reject is the chain that refuses with an answer. What is for many gets none.
func (c *compiler) reject() chain {
	s := fibKind.setOf(single(answerlessTypes))
	s.name = answerlessSet
	c.keep(s)
	return chain{name: rejectChain, rules: []rule{
		{statements: []statement{answerless{}, drop}},
		{statements: []statement{protocolIs{policy.TCP}, tcpReset}},
		{statements: []statement{adminProhibited}},
	}}
}

// shut gives chains that refuse every new connection of this machine's own.
func shut() []chain {
	var out []chain
	for _, d := range []policy.Direction{policy.In, policy.Out} {
		lo, _ := loopback(d)
		out = append(out, chain{name: baseName(d), at: d, policy: drop, rules: []rule{
			{statements: []statement{lo, accept}},
			{statements: []statement{isFollowing, accept}},
		}})
	}
	return out
}
