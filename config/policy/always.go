package policy

import (
	"fmt"
	"net/netip"
	"slices"
)

// Always names something that is in force whatever the rules say, and before them. The zero value is invalid.
type Always uint8

// In the order in which packets meet them.
const (
	_ Always = iota
	// Loopback: what stays on this machine is allowed.
	Loopback
	// Panic: everything else is dropped, open connections too; only while that is asked for.
	Panic
	// Banned: banned remotes are dropped, their open connections too.
	Banned
	// Established: replies and related packets of allowed connections are allowed.
	Established
	// Invalid: what conntrack calls invalid is dropped, and TCP that neither opens a connection nor belongs to one.
	Invalid
	// NeighbourDiscovery: ICMPv6 types 133-136 and multicast listener discovery are allowed.
	NeighbourDiscovery
	// Membership: IGMP is allowed.
	Membership
	// DHCP: requests of DHCPv4 and DHCPv6 clients go out, and the replies come in.
	DHCP
)

// AlwaysInForce lists, in order, those that are in force on an ordinary day.
var AlwaysInForce = []Always{Loopback, Banned, Established, Invalid, NeighbourDiscovery, Membership, DHCP}

// InForceInPanic lists, in order, those that are in force while everything is blocked.
var InForceInPanic = slices.Insert(slices.Clone(AlwaysInForce), 1, Panic)

// String gives the name that takes the place of a rule's.
func (a Always) String() string {
	switch a {
	case Loopback:
		return "loopback"
	case Panic:
		return "panic"
	case Banned:
		return "banned"
	case Established:
		return "established"
	case Invalid:
		return "invalid"
	case NeighbourDiscovery:
		return "icmpv6"
	case Membership:
		return "igmp"
	case DHCP:
		return "dhcp"
	}
	panic(fmt.Sprintf("policy: always %d", uint8(a)))
}

// Text says in one line what it does.
func (a Always) Text() string {
	switch a {
	case Loopback:
		return "allow both on lo"
	case Panic:
		return "block everything but loopback until pfw panic off, open and forwarded connections too"
	case Banned:
		return "block both remote banned addresses, open connections too"
	case Established:
		return "allow replies and related packets of allowed connections"
	case Invalid:
		return "block packets that belong to no connection and open none"
	case NeighbourDiscovery:
		return "allow both icmpv6 neighbour discovery (133-136) and multicast listener discovery"
	case Membership:
		return "allow both igmp"
	case DHCP:
		return "allow dhcp and dhcpv6: client requests out, replies in"
	}
	panic(fmt.Sprintf("policy: always %d", uint8(a)))
}

// Verdict gives what it does to a packet.
func (a Always) Verdict() Verdict {
	switch a {
	case Panic, Banned, Invalid:
		return Block
	}
	return Allow
}

// The ports of DHCP clients and servers: RFC 2131 section 4.1, RFC 8415 section 7.2.
const (
	dhcpClient, dhcpServer     = 68, 67
	dhcpv6Client, dhcpv6Server = 546, 547
)

// DHCPPorts gives the source and destination port of DHCP packets that pass in a direction of this machine's own.
func DHCPPorts(f Family, d Direction) (source, destination uint16) {
	client, server := uint16(dhcpClient), uint16(dhcpServer)
	if f == IPv6 {
		client, server = dhcpv6Client, dhcpv6Server
	}
	if d == Out {
		return client, server
	}
	return server, client
}

// always says whether the packet meets something that is always in force.
func (f *Flow) always() (a Always, met answer) {
	// An interface that is not known is not taken for loopback: pfw judges no loopback connection.
	if f.onLoopback() == yes {
		return Loopback, yes
	}
	if f.Banned {
		return Banned, yes
	}
	if f.Protocol == ICMP && f.Family == IPv4 || f.Protocol == ICMPv6 && f.Family == IPv6 {
		if t, ok := f.ICMPType.Get(); ok {
			switch {
			case f.Protocol == ICMPv6 && slices.Contains(icmpv6Always, t) && f.Direction != Forward:
				return NeighbourDiscovery, yes
			case !ICMPOpens(f.Protocol, t):
				return Invalid, yes
			}
		}
	}
	if f.Direction == Forward {
		return 0, no
	}
	if f.Protocol == IGMP && f.Family == IPv4 {
		return Membership, yes
	}
	if f.Protocol == UDP {
		source, destination := DHCPPorts(f.Family, f.Direction)
		is := func(port uint16) func(uint16) bool { return func(p uint16) bool { return p == port } }
		if a := min(ask(f.SourcePort, false, is(source)), ask(f.DestinationPort, false, is(destination))); a != no {
			return DHCP, a
		}
	}
	return 0, no
}

func (f *Flow) onLoopback() answer {
	by := f.InInterface
	switch f.Direction {
	case Forward:
		return no
	case Out:
		by = f.OutInterface
	}
	// Where no interface is named, the address tells: no other carries 127.0.0.0/8 or ::1 (RFC 6890).
	for _, end := range []Field[netip.Addr]{f.Source, f.Destination} {
		if a, ok := end.Get(); ok && a.IsLoopback() && by.state == absent {
			return yes
		}
	}
	return ask(by, false, isLoopback)
}

func isLoopback(name string) bool { return name == "lo" }
