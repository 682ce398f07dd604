package differential

import (
	"net/netip"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// shot is one packet that opens a flow, and how it is sent.
type shot struct {
	direction policy.Direction
	packet    hosts.Packet
	in, out   string // interfaces of local; "" where the direction has none
	uid, gid  uint32 // of the sending socket, for out
	// ordinary sends from a socket of TCP or UDP, for out; else a raw socket does.
	ordinary bool
	// over and banned are what the kernel's counters and bans should make of it, where a test foresees that.
	over   map[policy.Name]policy.Bound
	banned bool
}

// counted is all that is known of the shot, with what counters say.
func (s shot) counted(now time.Time) policy.Flow {
	f := s.flow(now)
	f.Over, f.Banned = s.over, s.banned
	return f
}

// flow is all that is known of the shot.
func (s shot) flow(now time.Time) policy.Flow {
	p := s.packet
	f := policy.Flow{
		Direction:   s.direction,
		Family:      policy.IPv4,
		Protocol:    policy.Protocol(p.Protocol),
		Source:      policy.Known(p.Source),
		Destination: policy.Known(p.Destination),
		Time:        policy.Known(now),
		Names:       names,
	}
	if p.Source.Is6() {
		f.Family = policy.IPv6
	}
	if f.Protocol.HasPorts() {
		f.SourcePort, f.DestinationPort = policy.Known(p.SourcePort), policy.Known(p.DestinationPort)
	}
	if f.Protocol == policy.ICMP || f.Protocol == policy.ICMPv6 {
		f.ICMPType = policy.Known(p.Type)
	}
	if s.in != "" {
		f.InInterface = policy.Known(s.in)
	}
	if s.out != "" {
		f.OutInterface = policy.Known(s.out)
	}
	if s.direction == policy.Out {
		f.User, f.Group = policy.Known(s.uid), policy.Known(s.gid)
	}
	return f
}

// tuple tells flows apart as conntrack does.
type tuple struct {
	protocol            uint8
	source, destination netip.Addr
	from, to            uint16 // ports, or the ICMP id and type
}

func tupleOf(p hosts.Packet) tuple {
	t := tuple{p.Protocol, p.Source, p.Destination, p.SourcePort, p.DestinationPort}
	if isICMP(p) {
		t.from, t.to = p.ID, uint16(p.Type)
	}
	return t
}

// reversed is the tuple of the reply; ICMP has none here, as requests only are
// looked for.
func (t tuple) reversed() tuple {
	return tuple{t.protocol, t.destination, t.source, t.to, t.from}
}

// label tells shots apart as far as the audit log can: ICMP entries have a type
// and no id, so there the length of the packet helps.
type label struct {
	protocol string
	source   string
	dest     string
	from, to uint16
	icmp     uint8
	length   int
}

func labelOf(p hosts.Packet) label {
	l := label{protocol: protocolName(p.Protocol), source: p.Source.String(), dest: p.Destination.String(), from: p.SourcePort, to: p.DestinationPort}
	if isICMP(p) {
		l.icmp, l.length = p.Type, len(p.Bytes())
	}
	return l
}

func labelOfEntry(e hosts.Entry) label {
	l := label{protocol: e.Proto, source: e.SrcIP, dest: e.DestIP, from: e.SrcPort, to: e.DestPort}
	if e.ICMPType != nil {
		l.icmp, l.length = *e.ICMPType, e.PacketLen
	}
	return l
}

func hasPorts(p hosts.Packet) bool { return policy.Protocol(p.Protocol).HasPorts() }

func isICMP(p hosts.Packet) bool { return p.Protocol == 1 || p.Protocol == 58 }
