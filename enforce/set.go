package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"net/netip"

	"pfw/config/policy"
)

// Set is a named set of the table. What is in it when it is loaded never changes: a set that rules ask for is named by its
// contents, so that rules share it, and a reload sends only what is new.
type set struct {
	name string
	kind *kind
	// dynamic sets are empty at first and filled while the table is in force; their elements end by themselves.
	dynamic bool
	size    uint32 // in elements at most, of what is a hash; 0: none
	count   int    // of spans
	spans   iter.Seq[span]
	// to is where a map leads, span by span; nil of a set.
	to []branch
}

// dynamicSize bounds each dynamic set. A fixed size is a faster kind of hash to the kernel.
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
	k := &ipv4Kind
	if f == policy.IPv6 {
		k = &ipv6Kind
	}
	return contents(k, a.Len(f), func(yield func(span) bool) {
		for r := range a.Ranges(f) {
			if !yield(span{keyOf(r.First.AsSlice()), keyOf(r.Last.AsSlice())}) {
				return
			}
		}
	})
}

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

func dynamicSet(name string, k *kind) set {
	return set{name: name, kind: k, dynamic: true, size: dynamicSize, spans: func(func(span) bool) {}}
}

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
