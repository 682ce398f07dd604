package hosts

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Protocol numbers that a Packet knows more of than their number.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// Flags of TCP, as bits of their octet (RFC 9293 section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Packet is an IP packet as a test writes it and reads it again: no options, no
// fragments. Fields that the protocol does not have are zero.
type Packet struct {
	Protocol                    uint8
	Source, Destination         netip.Addr // of one family
	SourcePort, DestinationPort uint16     // TCP, UDP, SCTP
	Flags                       uint8      // TCP
	Sequence, Acknowledgment    uint32     // TCP
	Type, Code                  uint8      // ICMP, ICMPv6
	ID                          uint16     // ICMP, ICMPv6: of echo and what is like it
	Payload                     []byte     // behind the header of the protocol
}

// Bytes is the packet with all its checksums.
func (p Packet) Bytes() []byte {
	body := p.transport()
	if p.Source.Is4() {
		b := make([]byte, 20, 20+len(body))
		b[0], b[8], b[9] = 0x45, 64, p.Protocol
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
		copy(b[12:], p.Source.AsSlice())
		copy(b[16:], p.Destination.AsSlice())
		binary.BigEndian.PutUint16(b[10:], checksum(0, b))
		return append(b, body...)
	}
	b := make([]byte, 40, 40+len(body))
	b[0], b[6], b[7] = 0x60, p.Protocol, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], p.Source.AsSlice())
	copy(b[24:], p.Destination.AsSlice())
	return append(b, body...)
}

// transport is what comes behind the IP header.
func (p Packet) transport() []byte {
	switch p.Protocol {
	case protoTCP:
		b := append(make([]byte, 20), p.Payload...)
		p.ports(b)
		binary.BigEndian.PutUint32(b[4:], p.Sequence)
		binary.BigEndian.PutUint32(b[8:], p.Acknowledgment)
		b[12], b[13] = 5<<4, p.Flags
		binary.BigEndian.PutUint16(b[14:], 0xffff)
		binary.BigEndian.PutUint16(b[16:], checksum(p.pseudo(len(b)), b))
		return b
	case protoUDP:
		b := append(make([]byte, 8), p.Payload...)
		p.ports(b)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		sum := checksum(p.pseudo(len(b)), b)
		if sum == 0 {
			sum = 0xffff // RFC 768: zero is no checksum
		}
		binary.BigEndian.PutUint16(b[6:], sum)
		return b
	case protoSCTP:
		b := p.sctpInit()
		binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
		return b
	case protoICMP, protoICMPv6:
		b := append(make([]byte, 8), p.Payload...)
		b[0], b[1] = p.Type, p.Code
		binary.BigEndian.PutUint16(b[4:], p.ID)
		sum := uint32(0)
		if p.Protocol == protoICMPv6 {
			sum = p.pseudo(len(b))
		}
		binary.BigEndian.PutUint16(b[2:], checksum(sum, b))
		return b
	}
	return p.Payload
}

func (p Packet) ports(b []byte) {
	binary.BigEndian.PutUint16(b, p.SourcePort)
	binary.BigEndian.PutUint16(b[2:], p.DestinationPort)
}

// sctpInit is a common header and an INIT chunk (RFC 9260 section 3.3.2) without
// its checksum.
func (p Packet) sctpInit() []byte {
	b := make([]byte, 32)
	p.ports(b)
	b[12] = 1 // INIT
	binary.BigEndian.PutUint16(b[14:], 20)
	binary.BigEndian.PutUint32(b[16:], 0x70667701) // initiate tag, not zero
	binary.BigEndian.PutUint32(b[20:], 65536)
	binary.BigEndian.PutUint16(b[24:], 1)
	binary.BigEndian.PutUint16(b[26:], 1)
	return b
}

// pseudo sums up the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1).
func (p Packet) pseudo(length int) uint32 {
	sum := uint32(length) + uint32(p.Protocol)
	for _, a := range [][]byte{p.Source.AsSlice(), p.Destination.AsSlice()} {
		for i := 0; i < len(a); i += 2 {
			sum += uint32(a[i])<<8 | uint32(a[i+1])
		}
	}
	return sum
}

// Checksum is the Internet checksum over the pseudo header and a payload of an IP
// packet of a protocol without a header of its own.
func (p Packet) Checksum() uint16 { return checksum(p.pseudo(len(p.Payload)), p.Payload) }

// checksum is the Internet checksum (RFC 1071) of b and of what sum holds.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// ReadPacket reads an IP packet, which may be cut short behind the first eight
// octets of its transport header, as one inside an ICMP error is. ok is false
// where there is less, or where it is no first fragment.
func ReadPacket(b []byte) (p Packet, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		head := int(b[0]&15) * 4
		if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 || len(b) < head {
			return p, false
		}
		if total := int(binary.BigEndian.Uint16(b[2:])); total >= head && total < len(b) {
			b = b[:total] // Ethernet pads short frames
		}
		p.Protocol = b[9]
		p.Source, p.Destination = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[head:]
	case len(b) >= 40 && b[0]>>4 == 6:
		p.Protocol = b[6]
		p.Source, p.Destination = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		if b = b[40:]; p.Protocol == 0 && len(b) >= 8 { // hop by hop, before MLD
			p.Protocol, b = b[0], b[min(len(b), 8+int(b[1])*8):]
		}
	default:
		return p, false
	}
	return p.readTransport(b)
}

func (p Packet) readTransport(b []byte) (Packet, bool) {
	head := 0
	switch p.Protocol {
	case protoTCP, protoUDP, protoSCTP:
		if len(b) < 8 {
			return p, false
		}
		p.SourcePort, p.DestinationPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		head = 8
		if p.Protocol == protoTCP {
			p.Sequence = binary.BigEndian.Uint32(b[4:])
			if head = 20; len(b) >= 20 {
				p.Acknowledgment, p.Flags = binary.BigEndian.Uint32(b[8:]), b[13]
				head = int(b[12]>>4) * 4
			}
		}
	case protoICMP, protoICMPv6:
		if len(b) < 8 {
			return p, false
		}
		p.Type, p.Code, p.ID = b[0], b[1], binary.BigEndian.Uint16(b[4:])
		head = 8
	}
	p.Payload = b[min(head, len(b)):]
	return p, true
}
