package enforce

import (
	"fmt"
	"net"

	"github.com/google/nftables/expr"

	"pfw/config/policy"
)

// end says which end of a packet is meant. The zero value is invalid.
type end uint8

const (
	_ end = iota
	source
	destination
)

// addressIn compares an address with a range. The family must have been asked for.
type addressIn struct {
	family policy.Family
	end    end
	not    bool
	one    policy.AddressRange
}

func (s addressIn) text() string {
	return fmt.Sprintf("%s %s%s", addressWord(s.family, s.end), negation(s.not), rangeText(s.one))
}

func (s addressIn) exprs() []expr.Any {
	load := addressLoad(s.family, s.end)
	switch {
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
	word := "ip "
	if f == policy.IPv6 {
		word = "ip6 "
	}
	if e == source {
		return word + "saddr"
	}
	return word + "daddr"
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
