package nflog

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
)

// CommunityID gives the Community ID of the packet's flow, version 1 with seed 0 (github.com/corelight/community-id-spec): the
// same string in both directions, and the same as Suricata's and Zeek's. It is "" where the flow cannot be told: in a later
// fragment or a cut-off packet of a protocol with ports, and for a zero Packet.
func CommunityID(p *Packet) string {
	if !p.Source.IsValid() || !p.Destination.IsValid() {
		return ""
	}
	source, destination := p.Source, p.Destination
	var from, to uint16
	hasPorts, oneWay := true, false
	switch p.Protocol {
	case protoTCP, protoUDP, protoSCTP:
		if !p.HasPorts {
			return ""
		}
		from, to = p.SourcePort, p.DestinationPort
	case protoICMP, protoICMPv6:
		if !p.HasICMP {
			return ""
		}
		from, to, oneWay = icmpPorts(p.Protocol, p.ICMPType, p.ICMPCode)
	default: // also UDP-Lite and DCCP: the specification does not know their ports
		hasPorts = false
	}

	order := source.Compare(destination)
	if !oneWay && (order > 0 || order == 0 && from > to) {
		source, destination, from, to = destination, source, to, from
	}

	const seed = 0
	var room [2 + 16 + 16 + 2 + 4]byte
	b := binary.BigEndian.AppendUint16(room[:0], seed)
	if source.Is4() {
		s, d := source.As4(), destination.As4()
		b = append(append(b, s[:]...), d[:]...)
	} else {
		s, d := source.As16(), destination.As16()
		b = append(append(b, s[:]...), d[:]...)
	}
	b = append(b, p.Protocol, 0)
	if hasPorts {
		b = binary.BigEndian.AppendUint16(b, from)
		b = binary.BigEndian.AppendUint16(b, to)
	}
	sum := sha1.Sum(b)

	var text [2 + 28]byte // 28 = base64 of 20 bytes
	return string(base64.StdEncoding.AppendEncode(append(text[:0], "1:"...), sum[:]))
}

// icmpPorts maps an ICMP message to a pair of ports, as Zeek does and the specification demands: a request and its reply are
// each other's reverse. A message that has no counterpart counts one way only, and its code stands for the other port.
func icmpPorts(protocol, icmpType, code uint8) (from, to uint16, oneWay bool) {
	counterpart := icmpType
	if protocol == protoICMP {
		switch icmpType {
		case 0, 8: // echo reply, echo
			counterpart = icmpType ^ 8
		case 9, 13, 15, 17: // router advertisement, timestamp, information, address mask
			counterpart = icmpType + 1
		case 10, 14, 16, 18: // router solicitation and the replies
			counterpart = icmpType - 1
		}
	} else {
		switch icmpType {
		case 128, 130, 133, 135, 139, 144: // echo, multicast listener, router, neighbor, node information, home agent
			counterpart = icmpType + 1
		case 129, 131, 134, 136, 140, 145:
			counterpart = icmpType - 1
		}
	}
	if counterpart == icmpType {
		return uint16(icmpType), uint16(code), true
	}
	return uint16(icmpType), uint16(counterpart), false
}
