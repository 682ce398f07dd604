package policy

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// number is an address as an unsigned integer: 32 bits for IPv4, 128 for IPv6. Sets hold numbers, because a netip.Addr
// takes 24 bytes and a list may have a million.
type number interface {
	comparable
	uint32 | u128
}

type u128 struct{ hi, lo uint64 }

func less[N number](a, b N) bool {
	switch a := any(a).(type) {
	case uint32:
		return a < any(b).(uint32)
	case u128:
		b := any(b).(u128)
		return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo
	}
	panic("policy: number")
}

// next is n+1; it wraps at the top, so callers compare with top first.
func next[N number](n N) N {
	switch n := any(n).(type) {
	case uint32:
		return any(n + 1).(N)
	case u128:
		lo, carry := bits.Add64(n.lo, 1, 0)
		return any(u128{n.hi + carry, lo}).(N)
	}
	panic("policy: number")
}

func prev[N number](n N) N {
	switch n := any(n).(type) {
	case uint32:
		return any(n - 1).(N)
	case u128:
		lo, borrow := bits.Sub64(n.lo, 1, 0)
		return any(u128{n.hi - borrow, lo}).(N)
	}
	panic("policy: number")
}

func top[N number]() N {
	var zero N
	return prev(zero)
}

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func number6(a netip.Addr) u128 {
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func addr[N number](n N) netip.Addr {
	switch n := any(n).(type) {
	case uint32:
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
	case u128:
		b := binary.BigEndian.AppendUint64(nil, n.hi)
		return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(b, n.lo)))
	}
	panic("policy: number")
}
