package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"time"

	"pfw/config/policy"
)

// Set is a named set of the table. It does not change: a set that rules ask for is named by its contents, so that rules
// share it, and a reload sends only what is new. In the kernel, the hash of a long list may be edited to hold other contents,
// and then bears the name of those before.
type set struct {
	name string
	kind *kind
	// dynamic sets are filled while the table is in force; their elements end by themselves.
	dynamic bool
	// byRules says that rules fill a dynamic set, ofRule that it belongs to one rule and comes and goes with it, and untimed
	// that an element ends once it counts nothing, and not after a time.
	byRules, ofRule, untimed bool
	// left is for how long each span is in a dynamic set that is not empty at first.
	left  func(i int) time.Duration
	size  uint32 // in elements at most, of what is a hash; 0: none
	count int    // of spans
	spans iter.Seq[span]
	// share is what of a long list the set holds, nil for others.
	share *share
	// carried are elements that a dynamic set is made with.
	carried []element
	// to is where a map leads, span by span; nil of a set.
	to []branch
}

// dynamicSize bounds dynamic sets but those of bans.
const dynamicSize = 65536

// maxKey is the longest key: a tuple of IPv6, in parts of whole registers of four bytes.
const maxKey = 44

// key is a value as the kernel compares it, in its first bytes.
type key [maxKey]byte

// span is a run of values, both ends inclusive.
type span struct{ first, last key }

// contents puts spans into a set that is named by them.
func contents(k *kind, count int, spans iter.Seq[span]) set {
	sum := sha256.New()
	for s := range spans {
		sum.Write(s.first[:k.bytes])
		sum.Write(s.last[:k.bytes])
	}
	// 80 bits: a list from the net must not be able to pass for another list.
	return set{name: k.prefix + hex.EncodeToString(sum.Sum(nil)[:10]), kind: k, count: count, spans: spans}
}

func addressSet(a *policy.AddressSet, f policy.Family) set {
	k := rangesKind(f)
	if a.Len(f) < bigList {
		return contents(k, a.Len(f), rangesOf(a, f))
	}
	id := a.Digest(f)
	return set{name: k.prefix + hex.EncodeToString(id[:10]), kind: k, count: a.Len(f), spans: rangesOf(a, f)}
}

func rangesKind(f policy.Family) *kind {
	if f == policy.IPv4 {
		return &ipv4Kind
	}
	return &ipv6Kind
}

func rangesOf(a *policy.AddressSet, f policy.Family) iter.Seq[span] {
	return func(yield func(span) bool) {
		for r := range a.Ranges(f) {
			if !yield(span{addressKeyOf(r.First), addressKeyOf(r.Last)}) {
				return
			}
		}
	}
}

func addressKeyOf(a netip.Addr) key {
	var k key
	if a.Is4() {
		four := a.As4()
		copy(k[:], four[:])
	} else {
		six := a.As16()
		copy(k[:], six[:])
	}
	return k
}

// hashSet makes the hash of a part of a long list.
func hashSet(name string, count int, p *share) set {
	k := &hash4Kind
	if p.family == policy.IPv6 {
		k = &hash6Kind
	}
	return set{name: name, kind: k, size: roomFor(count), count: count, share: p, spans: func(yield func(span) bool) {
		for v := range p.values() {
			if x := keyOf(v); !yield(span{x, x}) {
				return
			}
		}
	}}
}

// roomFor sizes a hash so that a list may grow by an eighth in place.
func roomFor(count int) uint32 { return uint32(count + count/8 + 64) }

// setOf makes a set of runs in ascending order.
func (k *kind) setOf(runs []run) set {
	s := listed(k, len(runs), func(i int) span { return k.span(runs[i]) })
	if !k.interval && k.bytes > 2 {
		// A hash of a fixed size is faster to ask and, as nothing in it moves while it grows, sure to be read back whole. Of
		// shorter values the kernel makes an array.
		s.size = uint32(len(runs))
	}
	return s
}

// mapOf makes a map of runs in ascending order.
func mapOf(k *kind, runs []run, to []branch) set {
	s := k.setOf(runs)
	s.to = to
	if !k.interval {
		s.size = uint32(len(runs)) // a hash, also of short values
	}
	sum := sha256.New()
	io.WriteString(sum, s.name)
	for _, b := range to {
		io.WriteString(sum, " "+b.statement().text())
	}
	s.name = hex.EncodeToString(sum.Sum(nil)[:10])
	return s
}

func (k *kind) span(r run) span { return span{k.key(r.first), k.key(r.last)} }

func (k *kind) key(v value) key {
	if k.native && k.bytes == 4 {
		return keyOf(nativeBytes(uint32(v.lo)))
	}
	return keyOf(v.bytes(k.bytes))
}

func windowSet(windows []window) set {
	return listed(&timeKind, len(windows), func(i int) span {
		return span{keyOf(windows[i].first.nanoseconds()), keyOf(windows[i].last.nanoseconds())}
	})
}

func listed(k *kind, count int, at func(int) span) set {
	return contents(k, count, func(yield func(span) bool) {
		for i := range count {
			if !yield(at(i)) {
				return
			}
		}
	})
}

func dynamicSet(name string, k *kind, size uint32) set {
	return set{name: name, kind: k, dynamic: true, size: size, spans: noSpans}
}

func noSpans(func(span) bool) {}

func keyOf(value []byte) key {
	var k key
	copy(k[:], value)
	return k
}

// rangeText spells a range of addresses as nft does: a prefix where it is one.
func rangeText(r policy.AddressRange) string {
	switch p, ok := r.Prefix(); {
	case r.First == r.Last:
		return r.First.String()
	case ok:
		return p.String()
	}
	return fmt.Sprintf("%s-%s", r.First, r.Last)
}

func addressText(first, last []byte) string {
	a, okA := netip.AddrFromSlice(first)
	b, okB := netip.AddrFromSlice(last)
	if !okA || !okB {
		panic(fmt.Sprintf("enforce: address of %d bytes", len(first)))
	}
	return rangeText(policy.AddressRange{First: a, Last: b})
}
