package nflog

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers that the decoder looks into (IANA, protocol-numbers).
const (
	protoICMP    = 1
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoICMPv6  = 58
	protoSCTP    = 132
	protoUDPLite = 136
)

// Packet is what a log needs of an IP packet. All of it is values: a copy stays good when the bytes it was read from are gone.
type Packet struct {
	// Source and Destination are valid whenever Decode gave no error. They are of the packet's family: Is4 in an IPv4 packet.
	Source, Destination netip.Addr

	// Protocol is the upper layer's IANA number, as nft's "meta l4proto" has it: IPv6 extension headers (AH among them) are
	// stepped over, AH in IPv4 is not. Valid whenever Decode gave no error; where the copy ends within the extension headers,
	// it is the number of the last one that was announced.
	Protocol uint8

	// SourcePort and DestinationPort are valid if HasPorts: for TCP, UDP, UDP-Lite, SCTP and DCCP, except in a fragment that
	// is not the first, or where the copy ends before them.
	SourcePort, DestinationPort uint16
	HasPorts                    bool

	// ICMPType and ICMPCode are valid if HasICMP: for ICMP and ICMPv6, with the exceptions of the ports.
	ICMPType, ICMPCode uint8
	HasICMP            bool

	// TCPFlags is byte 13 of the TCP header, valid if HasTCPFlags. TCPFlagsString writes it for people.
	TCPFlags    uint8
	HasTCPFlags bool

	// Length is the whole packet in bytes, IP header included, in both families; taken from the header, as the kernel's copy
	// is shorter. 0 where the header does not say it: a packet of 64 KiB and more (BIG TCP) on its way out, before it is cut.
	Length int

	// Fragment tells that this is a piece of a packet, the first or a later one.
	Fragment bool

	// Inner is the packet quoted inside an ICMP or ICMPv6 error.
	Inner Inner
}

// Inner describes the packet that an ICMP error speaks of: one that its receiver once sent, so its Source is commonly the
// error's Destination.
type Inner struct {
	// Valid tells that there is a quoted packet and that its addresses could be read.
	Valid bool

	// Source, Destination and Protocol are as in Packet, and valid if Valid.
	Source, Destination netip.Addr
	Protocol            uint8

	// SourcePort and DestinationPort are valid if HasPorts, as in Packet.
	SourcePort, DestinationPort uint16
	HasPorts                    bool
}

// Decode reads the packet that begins in b with its IP header into p and allocates nothing. A packet that is cut short gives
// what is there. The error says that not even the addresses could be read, or that b is neither IPv4 nor IPv6; p is zero then.
func Decode(b []byte, p *Packet) error {
	*p = Packet{}
	upper, err := p.network(b)
	if err != nil {
		return err
	}
	p.transport(upper)
	if p.HasICMP && quotes(p.Protocol, p.ICMPType) {
		p.inner(upper)
	}
	return nil
}

// transport reads the upper layer's header, as far as b holds it.
func (p *Packet) transport(b []byte) {
	switch p.Protocol {
	case protoTCP:
		if len(b) > 13 {
			p.TCPFlags = b[13]
			p.HasTCPFlags = true
		}
		p.ports(b)
	case protoUDP, protoUDPLite, protoSCTP, protoDCCP:
		p.ports(b)
	case protoICMP, protoICMPv6:
		if len(b) >= 2 {
			p.ICMPType, p.ICMPCode = b[0], b[1]
			p.HasICMP = true
		}
	}
}

func (p *Packet) ports(b []byte) {
	if len(b) < 4 {
		return
	}
	p.SourcePort = binary.BigEndian.Uint16(b)
	p.DestinationPort = binary.BigEndian.Uint16(b[2:])
	p.HasPorts = true
}

// quotes tells whether an ICMP message carries the packet that it is about (RFC 792; RFC 4443 section 2.1: all ICMPv6
// errors are below 128, and those above 4 are not assigned).
func quotes(protocol, icmpType uint8) bool {
	if protocol == protoICMPv6 {
		return icmpType >= 1 && icmpType <= 4
	}
	switch icmpType {
	case 3, 4, 5, 11, 12: // unreachable, source quench, redirect, time exceeded, parameter problem
		return true
	}
	return false
}

// inner reads the packet quoted in the ICMP error b. One that cannot be read leaves Inner invalid: the error itself is no
// worse for it.
func (p *Packet) inner(b []byte) {
	const header = 8 // both families
	if len(b) < header {
		return
	}
	var q Packet
	upper, err := q.network(b[header:])
	if err != nil {
		return
	}
	q.transport(upper)
	p.Inner = Inner{
		Valid:           true,
		Source:          q.Source,
		Destination:     q.Destination,
		Protocol:        q.Protocol,
		SourcePort:      q.SourcePort,
		DestinationPort: q.DestinationPort,
		HasPorts:        q.HasPorts,
	}
}

// TCPFlagsString writes the set flags as letters, in the order FSRPAUEC, from the lowest bit (FIN) to the highest (CWR): a
// first packet is "S", its answer "SA", no flags at all "".
func TCPFlagsString(flags uint8) string {
	const letters = "FSRPAUEC"
	var set [len(letters)]byte
	n := 0
	for i := range letters {
		if flags&(1<<i) != 0 {
			set[n] = letters[i]
			n++
		}
	}
	return string(set[:n])
}
