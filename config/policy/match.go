package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// criterion names what a rule asks, for the answer why it does not match. The zero value is invalid.
type criterion uint8

const (
	_ criterion = iota
	byDisabled
	byDirection
	byProtocol
	byICMPType
	byPort
	bySourcePort
	bySource
	byDestination
	byInInterface
	byOutInterface
	byUser
	byGroup
	bySchedule
	byUntil
)

// meets tells whether the flow meets the match and, where it does not, the first criterion that fails.
func (m *Match) meets(f *Flow) (answer, criterion) {
	result := answer(yes)
	for c := byProtocol; c <= byUntil; c++ {
		switch a := m.ask(c, f); a {
		case no:
			return no, c
		case maybe:
			result = maybe
		}
	}
	return result, 0
}

func (m *Match) ask(c criterion, f *Flow) answer {
	switch c {
	case byProtocol:
		return holds(speaks(m.Traffic, f.Family, f.Protocol))
	case byICMPType:
		t, ok := m.Traffic.(OfICMPTypes)
		return ask(f.ICMPType, !ok, func(n uint8) bool { return slices.Contains(t.types(f.Family), n) })
	case byPort:
		t, ok := m.Traffic.(OnPorts)
		return ask(f.DestinationPort, !ok || t.Destination.Any(), t.Destination.Contains)
	case bySourcePort:
		t, ok := m.Traffic.(OnPorts)
		return ask(f.SourcePort, !ok || t.Source.Any(), t.Source.Contains)
	case bySource:
		return askAddress(f.Source, f, m.Source)
	case byDestination:
		return askAddress(f.Destination, f, m.Destination)
	case byInInterface:
		return askInterface(f.InInterface, m.InInterfaces)
	case byOutInterface:
		return askInterface(f.OutInterface, m.OutInterfaces)
	case byUser:
		return askAccount(f.User, m.Users)
	case byGroup:
		return askAccount(f.Group, m.Groups)
	case bySchedule:
		return ask(f.Time, m.Schedule == nil, m.Schedule.Active)
	case byUntil:
		return ask(f.Time, m.Until.IsZero(), func(t time.Time) bool { return t.Before(m.Until) })
	}
	panic("policy: criterion")
}

// speaks tells whether the traffic may be of the protocol. It makes no list: it is asked for each rule.
func speaks(t Traffic, f Family, p Protocol) bool {
	switch t := t.(type) {
	case AnyTraffic:
		return true
	case OfProtocols:
		return p.In(f) && slices.Contains(t.Protocols, p)
	case OnPorts:
		return p.In(f) && slices.Contains(t.list, p)
	case OfICMPTypes:
		return f == IPv4 && p == ICMP && len(t.V4) > 0 || f == IPv6 && p == ICMPv6 && len(t.V6) > 0
	}
	panic(fmt.Sprintf("policy: traffic %T", t))
}

func holds(b bool) answer {
	if b {
		return yes
	}
	return no
}

func askAddress(end Field[netip.Addr], f *Flow, a Addresses) answer {
	if a.Any() {
		return yes
	}
	// Whatever the address is, it is of the flow's family; one that no address of the family can meet is not met.
	if a.empty(f.Family) {
		return no
	}
	if a.all(f.Family) && end.state != absent {
		return yes
	}
	switch end.state {
	case anything:
		// Only this machine's own address may stand for any, and a machine owns neither groups nor broadcast.
		return holds(!a.named.None() || !a.set.Only(f.Family).Without(ownedByNobody).Empty(f.Family))
	case known:
		return a.has(end.value, f)
	}
	return ask(end, false, a.set.Contains)
}

// ownedByNobody holds the addresses that no interface can have: unspecified, multicast, limited broadcast (RFC 6890).
var ownedByNobody = func() *AddressSet {
	var b AddressBuilder
	for _, p := range []string{"0.0.0.0/32", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8"} {
		if err := b.AddPrefix(netip.MustParsePrefix(p)); err != nil {
			panic(err)
		}
	}
	return b.Set()
}()

func askInterface(f Field[string], list []Interface) answer {
	return ask(f, len(list) == 0, func(name string) bool {
		return slices.ContainsFunc(list, func(i Interface) bool { return i.Matches(name) })
	})
}

func askAccount(f Field[uint32], list []Account) answer {
	return ask(f, len(list) == 0, func(id uint32) bool {
		return slices.ContainsFunc(list, func(a Account) bool { return a.ID == id })
	})
}
