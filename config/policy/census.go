package policy

import (
	"iter"
	"math"
	"net/netip"
	"sync"
)

// Census counts what a set of addresses of one family is made of.
type Census struct {
	// Prefixes counts the prefixes of each length that make up the set, as few as can be.
	Prefixes [129]int
	// Blocks counts the prefixes of a length that hold an address of the set; only of the lengths in BlockLengths.
	Blocks map[int]int
}

// BlockLengths are the lengths of which a census counts the blocks, ascending.
func BlockLengths(f Family) []int {
	if f == IPv4 {
		return []int{8, 12, 16, 20, 24}
	}
	return []int{16, 24, 32, 40, 48, 56, 64}
}

// Census counts what the set holds of the family. That of a long list is taken once.
func (s *AddressSet) Census(f Family) *Census {
	if f == IPv4 {
		return s.v4.census(BlockLengths(f), 32)
	}
	return s.v6.census(BlockLengths(f), 128)
}

// counted is a census that is taken when it is asked for.
type counted struct {
	once   sync.Once
	census *Census
}

func (l spans[N]) census(lengths []int, width int) *Census {
	if l.long == nil {
		return count(l, lengths, width)
	}
	l.long.once.Do(func() { l.long.census = count(l, lengths, width) })
	return l.long.census
}

func count[N number](l spans[N], lengths []int, width int) *Census {
	c := &Census{Blocks: map[int]int{}}
	blocks, last := make([]int, len(lengths)), make([]u128, len(lengths))
	begun := false
	for w := l.walk(); ; {
		s, ok := w.next()
		if !ok {
			break
		}
		from, to := wide(s.first), wide(s.last)
		for i, bits := range lengths {
			low, high := from.shift(uint8(width-bits)), to.shift(uint8(width-bits))
			// More than an int holds are too many all the same.
			n := high.minus(low)
			if n.hi != 0 || n.lo > math.MaxInt32 {
				n = u128{lo: math.MaxInt32}
			}
			if !begun || low != last[i] {
				n.lo++
			}
			blocks[i] += int(n.lo)
			last[i] = high
		}
		begun = true
		for done := false; !done; {
			var free uint8
			free, from, done = firstPrefix(from, to, uint8(width))
			c.Prefixes[width-int(free)]++
		}
	}
	for i, bits := range lengths {
		c.Blocks[bits] = blocks[i]
	}
	return c
}

// firstPrefix gives how many bits are free in the longest prefix that begins a run of numbers, and what is left of the
// run; done says that nothing is.
func firstPrefix(from, to u128, width uint8) (free uint8, rest u128, done bool) {
	free = width
	if from != (u128{}) {
		free = min(width, from.zeros())
	}
	// One more than a whole run of 128 bits is zero, which holds them all.
	if n := next(to.minus(from)); n != (u128{}) {
		free = min(free, n.length()-1)
	}
	last := from.plus((u128{lo: 1}).unshift(free).minus(u128{lo: 1}))
	return free, next(last), last == to
}

// Prefixes gives the prefixes of the family that make up the set, as few as can be, ascending.
func (s *AddressSet) Prefixes(f Family) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		if f == IPv4 {
			eachPrefix(s.v4, 32, yield)
		} else {
			eachPrefix(s.v6, 128, yield)
		}
	}
}

func eachPrefix[N number](l spans[N], width int, yield func(netip.Prefix) bool) {
	for w := l.walk(); ; {
		s, ok := w.next()
		if !ok {
			return
		}
		from, to := wide(s.first), wide(s.last)
		for done := false; !done; {
			at := narrow[N](from)
			var free uint8
			free, from, done = firstPrefix(from, to, uint8(width))
			if !yield(netip.PrefixFrom(addr(at), width-int(free))) {
				return
			}
		}
	}
}
