package enforce

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"

	"pfw/config/policy"
)

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
