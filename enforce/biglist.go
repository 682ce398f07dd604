package enforce

import (
	"encoding/hex"
	"fmt"
	"iter"
	"math/bits"
	"net/netip"
	"slices"

	"pfw/config/policy"
)

// A set of ranges is dear to ask: the kernel searches it in twenty steps or more, and keeps it in order as it grows. A hash
// is asked in one step and filled five times as fast, but holds single values. So the addresses of a long list are put into
// hashes, one for each length of prefix, and a packet's address is looked up with its low bits cut off. Few packets come to
// that: before, a hash of all the networks that any entry lies in tells most addresses of strangers apart.

// bigList is from how many ranges on a set is asked for that way. Measured: with 300 ranges both ways cost the same for an
// address on the list, and a stranger's costs a third of what it does with a set of ranges.
const bigList = 512

const (
	// mostHashes bounds the hashes of a list. What is left is of lengths that are rare, and goes to a set of ranges.
	mostHashes = 6
	// fewHashes is how many are few enough to spend nothing on fewer.
	fewHashes = 4
)

// layout says how a long list is asked for.
type layout struct {
	// hashes are the lengths of prefixes that have a hash, the one with the most entries first.
	hashes []hashed
	// ranges says that what has no hash is in a set of ranges.
	ranges bool
	// near is the length of the networks in which any entry lies, 0 where they are not asked first.
	near int
	// networks counts them.
	networks int
	// as gives for each length of prefix in which hash it is, 0 for none.
	as [129]int
}

// hashed is one hash: it holds prefixes of a length, and shorter ones in pieces of it.
type hashed struct{ bits, count int }

func layoutOf(a *policy.AddressSet, f policy.Family) layout {
	c := a.Census(f)
	p := layout{}
	entries := 0
	for length, n := range c.Prefixes {
		if n > 0 {
			p.hashes = append(p.hashes, hashed{length, n})
			p.as[length] = length
			entries += n
		}
	}
	if entries > 2*a.Len(f) {
		// Ranges that are no prefixes: in pieces they are too many.
		p.hashes, p.as = nil, [129]int{}
	}
	p.fold(entries)
	// By their magnitude: a list that changes a little is to be asked for in the same order.
	slices.SortStableFunc(p.hashes, func(a, b hashed) int { return bits.Len(uint(b.count)) - bits.Len(uint(a.count)) })
	if len(p.hashes) > mostHashes {
		for _, h := range p.hashes[mostHashes:] {
			for length := range p.as {
				if p.as[length] == h.bits {
					p.as[length], p.ranges = 0, true
				}
			}
		}
		p.hashes = p.hashes[:mostHashes]
	}
	if len(p.hashes) == 0 {
		p.ranges = true
	}
	if len(p.hashes) > 1 || p.ranges {
		for _, length := range slices.Backward(policy.BlockLengths(f)) {
			// The finest that is not much larger than the list itself.
			if p.near, p.networks = length, c.Blocks[length]; p.networks <= 2*(entries+bigList) {
				break
			}
		}
	}
	return p
}

// fold cuts the prefixes of some lengths into pieces of the next longer one, so that fewer hashes are asked: where that
// makes hardly more entries, and up to half as many again where there are more lengths than few.
func (p *layout) fold(entries int) {
	spare := entries / 2
	for len(p.hashes) > 1 {
		best, extra := -1, 0
		for i := range len(p.hashes) - 1 {
			n := spare + 1
			if by := p.hashes[i+1].bits - p.hashes[i].bits; by < 16 {
				n = p.hashes[i].count<<by - p.hashes[i].count
			}
			if best < 0 || n < extra {
				best, extra = i, n
			}
		}
		if extra > spare || extra > entries/32 && len(p.hashes) <= fewHashes {
			return
		}
		spare -= extra
		from, to := p.hashes[best].bits, p.hashes[best+1].bits
		p.hashes[best+1].count += p.hashes[best].count + extra
		p.hashes = slices.Delete(p.hashes, best, best+1)
		for bits := range p.as {
			if p.as[bits] == from {
				p.as[bits] = to
			}
		}
	}
}

// isLong tells of a list that is asked for in hashes.
func isLong(s *policy.AddressSet, f policy.Family) bool {
	return s.Len(f) >= bigList && !aroundHole(s, f)
}

// bigAddress asks for an address of a long list.
func (c *compiler) bigAddress(a *policy.AddressSet, f policy.Family, e end) onList {
	p := layoutOf(a, f)
	id := a.Digest(f)
	digest := hex.EncodeToString(id[:10])
	c.number(digest)
	name := func(role string) string { return role + digest }
	out := onList{family: f}
	for _, h := range p.hashes {
		s := hashSet(name(roleOf("net", f, h.bits)), h.count, &share{a, f, p, h.bits, false})
		out.any = append(out.any, maskedIn{family: f, end: e, bits: h.bits, set: c.keep(s)})
	}
	if p.ranges {
		s := p.rest(a, f, name(ofFamily("rest", f)+"_"))
		out.any = append(out.any, lookup{question: question{dimension: e.dimension(), family: f}, set: c.keep(s)})
	}
	if p.near > 0 {
		s := hashSet(name(roleOf("near", f, p.near)), p.networks, &share{a, f, p, p.near, true})
		out.near = []statement{maskedIn{family: f, end: e, bits: p.near, set: c.keep(s)}}
	}
	return out
}

// roleOf begins the name of a hash: "net4_28_".
func roleOf(what string, f policy.Family, bits int) string {
	return fmt.Sprintf("%s_%d_", ofFamily(what, f), bits)
}

// share is what of a long list is in one hash: its prefixes of a length, or the networks of a length that any entry is in.
type share struct {
	list   *policy.AddressSet
	family policy.Family
	layout layout
	bits   int
	near   bool
}

// values gives the elements, ascending. The slice is used again.
func (p *share) values() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var k addressKey
		var last netip.Prefix
		for x := range p.list.Prefixes(p.family) {
			if p.elements(x, &last, &k, yield) {
				return
			}
		}
	}
}

// elements gives those that a prefix of the list makes; true where it is to end. last is the network that was given last.
func (p *share) elements(x netip.Prefix, last *netip.Prefix, k *addressKey, yield func([]byte) bool) (end bool) {
	if !p.near {
		return p.layout.as[x.Bits()] == p.bits && !k.pieces(x, p.bits, yield)
	}
	if x.Bits() >= p.bits {
		x, _ = x.Addr().Prefix(p.bits)
	}
	if x == *last {
		return false
	}
	*last = x
	return !k.pieces(x, p.bits, yield)
}

// rest is the set of ranges for what is in no hash.
func (p layout) rest(a *policy.AddressSet, f policy.Family, name string) set {
	s := set{name: name, kind: rangesKind(f)}
	s.spans = func(yield func(span) bool) {
		if len(p.hashes) == 0 {
			rangesOf(a, f)(yield)
			return
		}
		for x := range a.Prefixes(f) {
			if r := policy.RangeOf(x); p.as[x.Bits()] == 0 && !yield(span{addressKeyOf(r.First), addressKeyOf(r.Last)}) {
				return
			}
		}
	}
	if s.count = a.Len(f); len(p.hashes) > 0 {
		s.count = 0
		for bits, n := range a.Census(f).Prefixes {
			if p.as[bits] == 0 {
				s.count += n
			}
		}
	}
	return s
}

// addressKey is an address as the kernel compares it.
type addressKey struct {
	four [4]byte
	six  [16]byte
}

// pieces gives the prefixes of a length that make up one that is no longer; false where it is to end.
func (k *addressKey) pieces(x netip.Prefix, bits int, yield func([]byte) bool) bool {
	var key []byte
	if x.Addr().Is4() {
		k.four = x.Addr().As4()
		key = k.four[:]
	} else {
		k.six = x.Addr().As16()
		key = k.six[:]
	}
	for n := uint64(1) << (bits - x.Bits()); ; {
		if !yield(key) {
			return false
		}
		if n--; n == 0 {
			return true
		}
		advance(key, bits)
	}
}

// advance adds one to the first bits of a number.
func advance(key []byte, bits int) {
	add := uint16(1) << (7 - (bits-1)%8)
	for i := (bits - 1) / 8; i >= 0; i-- {
		add += uint16(key[i])
		key[i], add = byte(add), add>>8
	}
}
