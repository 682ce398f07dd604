package nflog

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// IPv6 next-header numbers that the kernel steps over to find the upper layer (net/ipv6/exthdrs_core.c, ipv6_ext_hdr).
const (
	nextHopByHop       = 0
	nextRouting        = 43
	nextFragment       = 44
	nextAuthentication = 51
	nextOptions        = 60
)

const (
	headerIPv4 = 20 // without options
	headerIPv6 = 40
)

var (
	errShort   = errors.New("packet ends before its addresses")
	errVersion = errors.New("neither an IPv4 nor an IPv6 packet")
)

// network reads the IP header and the extension headers. It returns the bytes of the upper layer: none where the copy ends
// before it, or in a fragment that is not the first, whose bytes are from the middle of something.
func (p *Packet) network(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errShort
	}
	switch b[0] >> 4 {
	case 4:
		return p.ipv4(b)
	case 6:
		return p.ipv6(b)
	}
	return nil, errVersion
}

func (p *Packet) ipv4(b []byte) ([]byte, error) {
	if len(b) < headerIPv4 {
		return nil, errShort
	}
	p.Length = int(binary.BigEndian.Uint16(b[2:]))
	p.Protocol = b[9]
	p.Source = netip.AddrFrom4([4]byte(b[12:16]))
	p.Destination = netip.AddrFrom4([4]byte(b[16:20]))

	const moreFragments, offset = 0x2000, 0x1fff
	fragment := binary.BigEndian.Uint16(b[6:])
	p.Fragment = fragment&(moreFragments|offset) != 0

	header := int(b[0]&0x0f) * 4
	if header < headerIPv4 || fragment&offset != 0 {
		return nil, nil
	}
	return after(b, header, p.Length), nil
}

func (p *Packet) ipv6(b []byte) ([]byte, error) {
	if len(b) < headerIPv6 {
		return nil, errShort
	}
	p.Source = netip.AddrFrom16([16]byte(b[8:24]))
	p.Destination = netip.AddrFrom16([16]byte(b[24:40]))

	payload, next := int(binary.BigEndian.Uint16(b[4:])), b[6]
	if payload == 0 && next == nextHopByHop {
		p.Length = jumbo(b[headerIPv6:])
	} else {
		p.Length = headerIPv6 + payload
	}
	return p.extensions(next, after(b, headerIPv6, p.Length)), nil
}

// jumbo reads a packet's length from the hop-by-hop header b (RFC 2675). Only the place where Linux puts the option is looked
// at, the first; anywhere else the length stays unknown, 0.
func jumbo(b []byte) int {
	const option, size = 0xc2, 4
	if len(b) < 8 || b[2] != option || b[3] != size {
		return 0
	}
	return headerIPv6 + int(binary.BigEndian.Uint32(b[4:]))
}

// extensions steps over the extension headers in b, of which next is the first, and returns what comes after them. Each step
// takes at least eight bytes, so it ends.
func (p *Packet) extensions(next uint8, b []byte) []byte {
	for {
		p.Protocol = next
		switch next {
		case nextHopByHop, nextRouting, nextFragment, nextAuthentication, nextOptions:
		default:
			return b
		}
		if len(b) < 8 {
			return nil
		}
		size := 8
		switch next {
		case nextHopByHop, nextRouting, nextOptions:
			size = (int(b[1]) + 1) * 8
		case nextAuthentication:
			size = (int(b[1]) + 2) * 4 // RFC 4302: in 4-byte units, less two
		case nextFragment:
			const offset, more = 0xfff8, 0x0001
			fragment := binary.BigEndian.Uint16(b[2:])
			// An atomic fragment (RFC 6946), offset 0 and none to follow, is a whole packet.
			p.Fragment = p.Fragment || fragment&(offset|more) != 0
			if fragment&offset != 0 {
				p.Protocol = b[0]
				return nil
			}
		}
		next = b[0]
		b = b[min(size, len(b)):]
	}
}

// after returns what follows the header in a packet of length bytes, as far as b holds it. What lies behind the packet's end,
// such as Ethernet padding, is no part of it. Length 0 is an unknown length.
func after(b []byte, header, length int) []byte {
	if length != 0 && length < len(b) {
		b = b[:length]
	}
	return b[min(header, len(b)):]
}
