package nflog

import (
	"encoding/binary"
	"net/netip"
)

// Payload is what a whole packet of UDP or TCP carries.
type Payload struct {
	TCP                 bool
	Source, Destination netip.AddrPort
	// Sequence is the number of Data's first byte, of TCP; Begins says that the packet opens the way that it goes (SYN), and
	// that Data begins one after Sequence.
	Sequence uint32
	Begins   bool
	// Data is a part of the packet that was given.
	Data []byte
}

const headerUDP, headerTCP = 8, 20

// PayloadOf takes the headers off a packet that begins in b with its IP header; ok is false for what is neither UDP nor TCP,
// for a fragment, and where the copy does not hold all of it.
func PayloadOf(b []byte) (out Payload, ok bool) {
	var p Packet
	upper, err := p.network(b)
	if err != nil || p.Fragment || p.Length != len(b) {
		return Payload{}, false
	}
	p.transport(upper)
	if !p.HasPorts {
		return Payload{}, false
	}
	out.Source = netip.AddrPortFrom(p.Source, p.SourcePort)
	out.Destination = netip.AddrPortFrom(p.Destination, p.DestinationPort)
	switch {
	case p.Protocol == protoUDP && len(upper) >= headerUDP:
		length := int(binary.BigEndian.Uint16(upper[4:]))
		if length < headerUDP || length > len(upper) {
			return Payload{}, false
		}
		out.Data = upper[headerUDP:length]
		return out, true
	case p.Protocol == protoTCP && len(upper) >= headerTCP:
		const syn = 0x02
		header := int(upper[12]>>4) * 4
		if header < headerTCP || header > len(upper) {
			return Payload{}, false
		}
		out.TCP, out.Sequence, out.Begins, out.Data = true, binary.BigEndian.Uint32(upper[4:]), p.TCPFlags&syn != 0, upper[header:]
		return out, true
	}
	return Payload{}, false
}
