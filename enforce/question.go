package enforce

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables/expr"

	"pfw/config/policy"
)

// question reads a packet's value in a dimension. The family of an address, and the protocol of a port or a type, must
// have been asked for.
type question struct {
	dimension dimension
	family    policy.Family
	protocol  policy.Protocol // 0: one of several
}

func (e end) dimension() dimension {
	if e == source {
		return bySource
	}
	return byDestination
}

// word is how nft spells what is read.
func (q question) word() string {
	switch q.dimension {
	case byPort, bySourcePort:
		header, word := "th", "dport"
		if q.protocol != 0 {
			header = q.protocol.String()
		}
		if q.dimension == bySourcePort {
			word = "sport"
		}
		return header + " " + word
	case bySource:
		return addressWord(q.family, source)
	case byDestination:
		return addressWord(q.family, destination)
	case byProtocol:
		return "meta l4proto"
	case byType:
		return q.protocol.String() + " type"
	case byEntering:
		return "iifname"
	case byLeaving:
		return "oifname"
	case byUser:
		return ownerWord(false)
	case byGroup:
		return ownerWord(true)
	}
	panic(fmt.Sprintf("enforce: dimension %d", uint8(q.dimension)))
}

// name is what chains and maps that ask it are named by.
func (q question) name() string {
	switch q.dimension {
	case byPort:
		return "dport"
	case bySourcePort:
		return "sport"
	case bySource:
		return "saddr"
	case byDestination:
		return "daddr"
	case byProtocol:
		return "protocol"
	case byType:
		return "type"
	case byEntering:
		return "iifname"
	case byLeaving:
		return "oifname"
	case byUser:
		return "skuid"
	case byGroup:
		return "skgid"
	}
	panic(fmt.Sprintf("enforce: dimension %d", uint8(q.dimension)))
}

// load reads the value.
func (q question) load() expr.Any {
	switch q.dimension {
	case byPort:
		return portLoad(destination, register)
	case bySourcePort:
		return portLoad(source, register)
	case bySource:
		return addressLoad(q.family, source)
	case byDestination:
		return addressLoad(q.family, destination)
	case byProtocol:
		return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}
	case byType:
		return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Len: 1}
	case byEntering:
		return &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}
	case byLeaving:
		return &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: register}
	case byUser:
		return ownerLoad(false)
	case byGroup:
		return ownerLoad(true)
	}
	panic(fmt.Sprintf("enforce: dimension %d", uint8(q.dimension)))
}

// kind is that of sets and maps of such values.
func (q question) kind() *kind {
	switch q.dimension {
	case byPort, bySourcePort:
		return &portKind
	case bySource, byDestination:
		if q.family == policy.IPv6 {
			return &ipv6Kind
		}
		return &ipv4Kind
	case byProtocol:
		return &protocolKind
	case byType:
		if q.protocol == policy.ICMPv6 {
			return &icmpv6Kind
		}
		return &icmpKind
	case byEntering, byLeaving:
		return &nameKind
	case byUser:
		return &userKind
	case byGroup:
		return &groupKind
	}
	panic(fmt.Sprintf("enforce: dimension %d", uint8(q.dimension)))
}

// within compares the value with a run of values. Interfaces are compared by interfaceIs.
func (q question) within(r run) statement {
	switch q.dimension {
	case byPort, bySourcePort:
		e := source
		if q.dimension == byPort {
			e = destination
		}
		return portIn{protocol: q.protocol, end: e, one: policy.PortRange{First: uint16(r.first.lo), Last: uint16(r.last.lo)}}
	case bySource, byDestination:
		e := source
		if q.dimension == byDestination {
			e = destination
		}
		return addressIn{family: q.family, end: e, one: policy.AddressRange{First: addressOf(r.first, q.family), Last: addressOf(r.last, q.family)}}
	case byProtocol:
		return protocolIs{policy.Protocol(r.first.lo)}
	case byType:
		return icmpTypeIs{q.protocol, uint8(r.first.lo)}
	case byUser, byGroup:
		return ownerIs{group: q.dimension == byGroup, id: uint32(r.first.lo)}
	}
	panic(fmt.Sprintf("enforce: dimension %d", uint8(q.dimension)))
}

func addressOf(v value, f policy.Family) netip.Addr {
	n := 4
	if f == policy.IPv6 {
		n = 16
	}
	a, _ := netip.AddrFromSlice(v.bytes(n))
	return a
}

// implies gives what must stand before the question in a rule that asks for nothing before it.
func (q question) implies() []statement {
	switch q.dimension {
	case bySource, byDestination:
		return []statement{impliedFamily{q.family}}
	case byType:
		return []statement{impliedFamily{q.family}, impliedProtocol{q.protocol}}
	}
	return nil
}

// lookup asks whether the value is in a set.
type lookup struct {
	question question
	not      bool
	set      string
}

func (s lookup) text() string {
	return fmt.Sprintf("%s %s@%s", s.question.word(), negation(s.not), s.set)
}

func (s lookup) exprs() []expr.Any { return []expr.Any{s.question.load(), inSet(s.set, s.not)} }

// choose goes where a map sends the value, and on to the next rule where it does not.
type choose struct {
	question question
	table    string
}

func (s choose) text() string { return fmt.Sprintf("%s vmap @%s", s.question.word(), s.table) }

func (s choose) exprs() []expr.Any {
	// The destination is register 0, that of the verdict.
	return []expr.Any{s.question.load(), &expr.Lookup{SourceRegister: register, SetName: s.table, IsDestRegSet: true}}
}
