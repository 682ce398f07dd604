package enforce

import (
	"fmt"
	"slices"

	"pfw/config/policy"
)

// lines gives what a match asks as lists of statements; the packet must meet one list. None where nothing can match.
func (c *compiler) lines(m *policy.Match) [][]statement {
	times, ever := c.times(m)
	if !ever {
		return nil
	}
	tail := append(slices.Clone(times), c.owners(m)...)
	var out [][]statement
	for _, head := range c.headers(m) {
		for _, way := range ways(m) {
			// Interface and header first: they tell most packets apart, and the clock is the dearest to ask.
			out = append(out, slices.Concat(way, head, tail))
		}
	}
	return out
}

// ways gives the pairs of interfaces of which one must be met.
func ways(m *policy.Match) [][]statement {
	out := [][]statement{nil}
	for _, side := range []struct {
		side hookSide
		list []policy.Interface
	}{{entering, m.InInterfaces}, {leaving, m.OutInterfaces}} {
		if len(side.list) == 0 {
			continue
		}
		var more [][]statement
		for _, way := range out {
			for _, i := range side.list {
				more = append(more, append(slices.Clone(way), interfaceIs{side.side, i}))
			}
		}
		out = more
	}
	return out
}

// headers gives what is asked of the packet's headers: one list where both families are asked the same, else one for each
// family that can match.
func (c *compiler) headers(m *policy.Match) [][]statement {
	families := m.Families()
	if len(families) == len(policy.Families) && sameForBoth(m) {
		return [][]statement{c.traffic(m.Traffic, policy.IPv4)}
	}
	var out [][]statement
	for _, f := range families {
		out = append(out, slices.Concat(
			[]statement{familyIs{f}},
			c.address(m.Source, f, source),
			c.address(m.Destination, f, destination),
			c.traffic(m.Traffic, f)))
	}
	return out
}

// sameForBoth tells whether the match asks the same of IPv4 and IPv6.
func sameForBoth(m *policy.Match) bool {
	for _, f := range policy.Families {
		if !m.Source.Set().All(f) || !m.Destination.Set().All(f) {
			return false
		}
	}
	if _, icmp := m.Traffic.(policy.OfICMPTypes); icmp {
		return false
	}
	list4, _ := policy.ProtocolsOf(m.Traffic, policy.IPv4)
	list6, _ := policy.ProtocolsOf(m.Traffic, policy.IPv6)
	return slices.Equal(list4, list6)
}

// address asks for an address; nothing where every one will do.
func (c *compiler) address(a policy.Addresses, f policy.Family, e end) []statement {
	s := a.Set()
	if s.All(f) {
		return nil
	}
	not := false
	if aroundHole(s, f) {
		// What a rule excludes is shorter to say than what is left.
		s, not = s.Complement(), true
	}
	if s.Len(f) == 1 {
		for r := range s.Ranges(f) {
			return []statement{addressIn{family: f, end: e, not: not, one: r}}
		}
	}
	return []statement{addressIn{family: f, end: e, not: not, set: c.keep(addressSet(s, f))}}
}

// aroundHole tells whether the lowest and the highest address are in the set, so that its complement has fewer ranges.
func aroundHole(s *policy.AddressSet, f policy.Family) bool {
	all := policy.AllAddresses()
	for r := range all.Ranges(f) {
		return s.Contains(r.First) && s.Contains(r.Last)
	}
	return false
}

// traffic asks for the protocol and what is in its header.
func (c *compiler) traffic(t policy.Traffic, f policy.Family) []statement {
	switch t := t.(type) {
	case policy.AnyTraffic:
		return nil
	case policy.OfProtocols:
		return c.protocols(t, f)
	case policy.OnPorts:
		list, _ := policy.ProtocolsOf(t, f)
		one := policy.Protocol(0)
		if len(list) == 1 {
			one = list[0]
		}
		return slices.Concat(c.protocols(t, f), c.ports(one, source, t.Source), c.ports(one, destination, t.Destination))
	case policy.OfICMPTypes:
		p := policy.ICMP
		if f == policy.IPv6 {
			p = policy.ICMPv6
		}
		question := icmpTypeIn{protocol: p}
		if types := t.ICMPTypesOf(f); len(types) == 1 {
			question.one = types[0]
		} else {
			question.set = c.keep(icmpSet(p, types))
		}
		return []statement{protocolIs{p}, question}
	}
	panic(fmt.Sprintf("enforce: traffic %T", t))
}

func (c *compiler) protocols(t policy.Traffic, f policy.Family) []statement {
	list, _ := policy.ProtocolsOf(t, f)
	list = slices.Clone(list)
	slices.Sort(list)
	if list = slices.Compact(list); len(list) == 1 {
		return []statement{protocolIs{list[0]}}
	}
	return []statement{protocolIn{c.keep(protocolSet(list))}}
}

func (c *compiler) ports(p policy.Protocol, e end, ports policy.PortSet) []statement {
	switch ranges := ports.Ranges(); len(ranges) {
	case 0:
		return nil
	case 1:
		return []statement{portIn{protocol: p, end: e, one: ranges[0]}}
	default:
		return []statement{portIn{protocol: p, end: e, set: c.keep(portSet(ports))}}
	}
}

// owners asks for the user and the group of the socket.
func (c *compiler) owners(m *policy.Match) []statement {
	var out []statement
	for _, side := range []struct {
		group bool
		list  []policy.Account
	}{{false, m.Users}, {true, m.Groups}} {
		switch len(side.list) {
		case 0:
		case 1:
			out = append(out, ownerIs{side.group, side.list[0].ID})
		default:
			var ids []uint32
			for _, a := range side.list {
				ids = append(ids, a.ID)
			}
			out = append(out, ownerIn{side.group, c.keep(ownerSet(side.group, ids))})
		}
	}
	return out
}
