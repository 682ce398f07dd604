package enforce

import (
	"encoding/binary"
	"fmt"
	"net"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// end says which end of a packet is meant. The zero value is invalid.
type end uint8

const (
	_ end = iota
	source
	destination
)

// addressIn compares an address with a range, or where set is not "" with a set. The family must have been asked for.
type addressIn struct {
	family policy.Family
	end    end
	not    bool
	one    policy.AddressRange
	set    string
}

func (s addressIn) text() string {
	return fmt.Sprintf("%s %s%s", addressWord(s.family, s.end), negation(s.not), s.value())
}

func (s addressIn) value() string {
	if s.set != "" {
		return "@" + s.set
	}
	return rangeText(s.one)
}

func (s addressIn) exprs() []expr.Any {
	load := addressLoad(s.family, s.end)
	switch {
	case s.set != "":
		return []expr.Any{load, inSet(s.set, s.not)}
	case s.one.First == s.one.Last && s.not:
		return []expr.Any{load, differs(s.one.First.AsSlice()...)}
	case s.one.First == s.one.Last:
		return []expr.Any{load, equals(s.one.First.AsSlice()...)}
	}
	if p, ok := s.one.Prefix(); ok {
		return append([]expr.Any{load}, underMask(s.one.First.AsSlice(), p.Bits(), s.not)...)
	}
	return append([]expr.Any{load}, between(s.one.First.AsSlice(), s.one.Last.AsSlice(), s.not)...)
}

func addressWord(f policy.Family, e end) string {
	words := map[policy.Family]string{policy.IPv4: "ip ", policy.IPv6: "ip6 "}
	if e == source {
		return words[f] + "saddr"
	}
	return words[f] + "daddr"
}

// addressLoad reads an address: RFC 791 section 3.1, RFC 8200 section 3.
func addressLoad(f policy.Family, e end) *expr.Payload {
	p := &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
	if f == policy.IPv6 {
		p.Offset, p.Len = 8, 16
	}
	if e == destination {
		p.Offset += p.Len
	}
	return p
}

// portIn compares a port with a range, or where set is not "" with a set. A protocol with ports must have been asked for.
type portIn struct {
	protocol policy.Protocol // 0: one of several
	end      end
	one      policy.PortRange
	set      string
}

func (s portIn) text() string {
	header, word := "th", "dport"
	if s.protocol != 0 {
		header = s.protocol.String()
	}
	if s.end == source {
		word = "sport"
	}
	value := s.one.String()
	if s.set != "" {
		value = "@" + s.set
	}
	return fmt.Sprintf("%s %s %s", header, word, value)
}

func (s portIn) exprs() []expr.Any {
	load := portLoad(s.end, register)
	first, last := binary.BigEndian.AppendUint16(nil, s.one.First), binary.BigEndian.AppendUint16(nil, s.one.Last)
	switch {
	case s.set != "":
		return []expr.Any{load, inSet(s.set, false)}
	case s.one.First == s.one.Last:
		return []expr.Any{load, equals(first...)}
	}
	return append([]expr.Any{load}, between(first, last, false)...)
}

// portLoad reads a port, which stand first in the headers of TCP, UDP and SCTP.
func portLoad(e end, into uint32) *expr.Payload {
	p := &expr.Payload{DestRegister: into, Base: expr.PayloadBaseTransportHeader, Len: 2}
	if e == destination {
		p.Offset = 2
	}
	return p
}

// icmpTypeIn compares the type with one, or where set is not "" with a set. The family and its ICMP must have been asked
// for.
type icmpTypeIn struct {
	protocol policy.Protocol
	one      uint8
	set      string
}

func (s icmpTypeIn) text() string {
	value := policy.ICMPTypeName(s.protocol, s.one)
	if s.set != "" {
		value = "@" + s.set
	}
	return fmt.Sprintf("%s type %s", s.protocol, value)
}

func (s icmpTypeIn) exprs() []expr.Any {
	load := &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Len: 1}
	if s.set != "" {
		return []expr.Any{load, inSet(s.set, false)}
	}
	return []expr.Any{load, equals(s.one)}
}

// opensTCP tells TCP that opens a connection, which has SYN and none of the others, from TCP that does not. TCP must have
// been asked for.
type opensTCP struct{ not bool }

func (s opensTCP) text() string {
	if s.not {
		return "tcp flags & (fin|syn|rst|ack) != syn"
	}
	return "tcp flags & (fin|syn|rst|ack) == syn"
}

func (s opensTCP) exprs() []expr.Any {
	const flags, fin, syn, rst, ack = 13, 0x01, 0x02, 0x04, 0x10 // RFC 9293 section 3.1
	compare := equals(syn)
	if s.not {
		compare = differs(syn)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: flags, Len: 1},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0}},
		compare,
	}
}

// underMask compares the first bits.
func underMask(network []byte, bits int, not bool) []expr.Any {
	compare := equals(network...)
	if not {
		compare = differs(network...)
	}
	mask := net.CIDRMask(bits, len(network)*8)
	return []expr.Any{
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(len(network)), Mask: mask, Xor: make([]byte, len(network))},
		compare,
	}
}

// between compares with a range, both ends inclusive.
func between(first, last []byte, not bool) []expr.Any {
	if not {
		return []expr.Any{&expr.Range{Op: expr.CmpOpNeq, Register: register, FromData: first, ToData: last}}
	}
	return []expr.Any{
		&expr.Cmp{Op: expr.CmpOpGte, Register: register, Data: first},
		&expr.Cmp{Op: expr.CmpOpLte, Register: register, Data: last},
	}
}

// bannedEnd asks whether an end is banned. An IPv6 address is looked up by its /64.
type bannedEnd struct {
	family policy.Family
	end    end
}

func (s bannedEnd) text() string {
	word := addressWord(s.family, s.end)
	if s.family == policy.IPv6 {
		word += " & ffff:ffff:ffff:ffff::"
	}
	return fmt.Sprintf("%s @%s", word, ofFamily(bannedSet, s.family))
}

func (s bannedEnd) exprs() []expr.Any {
	out := []expr.Any{addressLoad(s.family, s.end)}
	if s.family == policy.IPv6 {
		mask := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 8)...)
		out = append(out, &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 16, Mask: mask, Xor: make([]byte, 16)})
	}
	return append(out, inSet(ofFamily(bannedSet, s.family), false))
}

// tupleIn asks whether the packet's protocol, addresses and ports are one entry of a set. The family must have been asked
// for; of a protocol without ports no entry is made, so whatever stands at their place is not found.
type tupleIn struct {
	family policy.Family
	set    string
}

func (s tupleIn) text() string {
	return fmt.Sprintf("meta l4proto . %s . th sport . %s . th dport @%s",
		addressWord(s.family, source), addressWord(s.family, destination), ofFamily(s.set, s.family))
}

func (s tupleIn) exprs() []expr.Any {
	// Each part begins at a register of four bytes, as in an element's key.
	next := uint32(unix.NFT_REG32_00)
	take := func(bytes uint32) uint32 {
		r := next
		next += (bytes + 3) / 4
		return r
	}
	from, to := addressLoad(s.family, source), addressLoad(s.family, destination)
	out := []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: take(1)}}
	from.DestRegister = take(from.Len)
	out = append(out, from, portLoad(source, take(2)))
	to.DestRegister = take(to.Len)
	return append(out, to, portLoad(destination, take(2)),
		&expr.Lookup{SourceRegister: unix.NFT_REG32_00, SetName: ofFamily(s.set, s.family)})
}
