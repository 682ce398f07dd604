package policy

import (
	"crypto/sha256"
	"sort"
)

// packed is a long list of merged spans, each written in two or three bytes: as long as a policy is in force, its lists
// stay in memory, to tell what becomes of a packet. As numbers, a million prefixes would take 8 MB, and 32 MB of IPv6.
//
// A span is written as one byte and one or two numbers. Where it is a prefix, the byte is how many bits of it are free,
// and the number is how many prefixes of that length lie between it and the span before. Where it is none, the byte is
// noPrefix, and the numbers are how many addresses lie between, and the length less one. The same spans give the same
// bytes.
type packed[N number] struct {
	data        []byte
	count       int
	first, last span[N]
	// blocks are entries into data, one for every blockLength spans.
	blocks []block[N]
	digest [sha256.Size]byte
	counted
}

// block says where in the data some spans begin, which lie at base and above.
type block[N number] struct {
	base N
	at   uint32
}

const (
	blockLength = 64
	noPrefix    = 0xff
)

func pack[N number](merged []span[N]) *packed[N] {
	p := &packed[N]{
		data: make([]byte, 0, 3*len(merged)), count: len(merged), first: merged[0], last: merged[len(merged)-1],
		blocks: make([]block[N], 0, len(merged)/blockLength+1),
	}
	var base u128
	for i, s := range merged {
		if i%blockLength == 0 {
			p.blocks = append(p.blocks, block[N]{narrow[N](base), uint32(len(p.data))})
		}
		first, last := wide(s.first), wide(s.last)
		if free, ok := prefixLike(first, last); ok {
			p.data = append(p.data, free)
			p.data = appendNumber(p.data, first.shift(free).minus(base.shiftUp(free)))
		} else {
			p.data = append(p.data, noPrefix)
			p.data = appendNumber(p.data, first.minus(base))
			p.data = appendNumber(p.data, last.minus(first))
		}
		base = next(last)
	}
	if len(p.data)+len(p.data)/8 < cap(p.data) {
		p.data = append(make([]byte, 0, len(p.data)), p.data...)
	}
	p.digest = sha256.Sum256(p.data)
	return p
}

// prefixLike tells how many bits are free where the numbers are the ends of a prefix. That of length zero is none, as
// its free bits would fill a byte of IPv6.
func prefixLike(first, last u128) (free uint8, ok bool) {
	x := u128{first.hi ^ last.hi, first.lo ^ last.lo}
	free = x.length()
	if free == 128 {
		return 0, false
	}
	return free, first.shift(free).unshift(free) == first && x == (u128{lo: 1}).unshift(free).minus(u128{lo: 1})
}

// reading is a place in packed spans.
type reading[N number] struct {
	data []byte
	left int
	base u128
}

// from reads from a block on.
func (p *packed[N]) from(i int) reading[N] {
	return reading[N]{data: p.data[p.blocks[i].at:], left: p.count - i*blockLength, base: wide(p.blocks[i].base)}
}

// next gives the next span; ok is false after the last.
func (r *reading[N]) next() (s span[N], ok bool) {
	if r.left == 0 {
		return s, false
	}
	r.left--
	free := r.data[0]
	n, rest := readNumber(r.data[1:])
	if free <= 32 && r.base.hi == 0 && n.hi == 0 && n.lo < 1<<32 && r.base.lo < 1<<63 {
		// The same as below, for IPv4 and in one register.
		ones := uint64(1)<<free - 1
		from := ((r.base.lo+ones)>>free + n.lo) << free
		if from <= 1<<32-1 {
			r.data, r.base = rest, u128{lo: from + ones + 1}
			return span[N]{narrow[N](u128{lo: from}), narrow[N](u128{lo: from + ones})}, true
		}
	}
	var first, last u128
	if free == noPrefix {
		first = r.base.plus(n)
		n, rest = readNumber(rest)
		last = first.plus(n)
	} else {
		first = r.base.shiftUp(free).plus(n).unshift(free)
		last = first.plus((u128{lo: 1}).unshift(free).minus(u128{lo: 1}))
	}
	r.data, r.base = rest, next(last)
	return span[N]{narrow[N](first), narrow[N](last)}, true
}

// around reads from a place on that no span which holds n, or lies above it, is before.
func (p *packed[N]) around(n N) reading[N] {
	// The first block that lies wholly above n; the one before it may hold n. The first of all begins at zero.
	i := sort.Search(len(p.blocks), func(i int) bool { return less(n, p.blocks[i].base) })
	return p.from(i - 1)
}

// find gives the span that holds n.
func (p *packed[N]) find(n N) (span[N], bool) {
	for r := p.around(n); ; {
		s, ok := r.next()
		if !ok || less(n, s.first) {
			return span[N]{}, false
		}
		if !less(s.last, n) {
			return s, true
		}
	}
}

// Numbers of up to 128 bits, seven bits a byte, the lowest first; the highest bit of a byte says that more follow.

func appendNumber(b []byte, n u128) []byte {
	for n.hi != 0 || n.lo >= 0x80 {
		b = append(b, byte(n.lo)|0x80)
		n = n.shift(7)
	}
	return append(b, byte(n.lo))
}

func readNumber(b []byte) (n u128, rest []byte) {
	if b[0] < 0x80 {
		return u128{lo: uint64(b[0])}, b[1:]
	}
	var low uint64
	for i := 0; i < len(b) && i < 9; i++ {
		low |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return u128{lo: low}, b[i+1:]
		}
	}
	for i, c := range b {
		n = n.plus(u128{lo: uint64(c & 0x7f)}.unshift(uint8(7 * i)))
		if c < 0x80 {
			return n, b[i+1:]
		}
	}
	panic("policy: packed spans are cut off")
}
