package enforce

import (
	"encoding/binary"

	"github.com/google/nftables/expr"

	"pfw/config/policy"
)

// portIn compares a port with a range. A protocol with ports must have been asked for.
type portIn struct {
	protocol policy.Protocol // 0: one of several
	end      end
	one      policy.PortRange
}

func (s portIn) text() string {
	return s.question().word() + " " + s.one.String()
}

func (s portIn) question() question {
	if s.end == source {
		return question{dimension: bySourcePort, protocol: s.protocol}
	}
	return question{dimension: byPort, protocol: s.protocol}
}

func (s portIn) exprs() []expr.Any {
	load := portLoad(s.end, register)
	first, last := binary.BigEndian.AppendUint16(nil, s.one.First), binary.BigEndian.AppendUint16(nil, s.one.Last)
	if s.one.First == s.one.Last {
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

// icmpTypeIs compares the type. The family and its ICMP must have been asked for.
type icmpTypeIs struct {
	protocol policy.Protocol
	one      uint8
}

func (s icmpTypeIs) text() string {
	return s.question().word() + " " + policy.ICMPTypeName(s.protocol, s.one)
}

func (s icmpTypeIs) question() question { return question{dimension: byType, protocol: s.protocol} }

func (s icmpTypeIs) exprs() []expr.Any { return []expr.Any{s.question().load(), equals(s.one)} }

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
