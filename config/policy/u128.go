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

// wide gives a number as one of 128 bits, narrow gives it back.
func wide[N number](n N) u128 {
	switch n := any(n).(type) {
	case uint32:
		return u128{lo: uint64(n)}
	case u128:
		return n
	}
	panic("policy: number")
}

func narrow[N number](n u128) N {
	var zero N
	if _, ok := any(zero).(uint32); ok {
		return any(uint32(n.lo)).(N)
	}
	return any(n).(N)
}

func (n u128) plus(m u128) u128 {
	lo, carry := bits.Add64(n.lo, m.lo, 0)
	return u128{n.hi + m.hi + carry, lo}
}

func (n u128) minus(m u128) u128 {
	lo, borrow := bits.Sub64(n.lo, m.lo, 0)
	return u128{n.hi - m.hi - borrow, lo}
}

// shift moves the bits down, those that fall out are lost; unshift moves them up. Shifts by 64 and more give zero in Go.
func (n u128) shift(by uint8) u128 {
	if by >= 64 {
		return u128{lo: n.hi >> (by - 64)}
	}
	return u128{n.hi >> by, n.lo>>by | n.hi<<(64-by)}
}

func (n u128) unshift(by uint8) u128 {
	if by >= 64 {
		return u128{hi: n.lo << (by - 64)}
	}
	return u128{n.hi<<by | n.lo>>(64-by), n.lo << by}
}

// shiftUp is shift, rounded up.
func (n u128) shiftUp(by uint8) u128 {
	out := n.shift(by)
	if out.unshift(by) != n {
		out = next(out)
	}
	return out
}

// length counts the bits from the highest that is set, zeros those below the lowest.
func (n u128) length() uint8 {
	if n.hi != 0 {
		return uint8(64 + bits.Len64(n.hi))
	}
	return uint8(bits.Len64(n.lo))
}

func (n u128) zeros() uint8 {
	if n.lo != 0 {
		return uint8(bits.TrailingZeros64(n.lo))
	}
	return uint8(64 + bits.TrailingZeros64(n.hi))
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
