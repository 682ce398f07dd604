package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"pfw/config/policy"
)

// Set is a named set of the table. What is in it when it is loaded never changes: a set that rules ask for is named by its
// contents, so that rules share it, and a reload sends only what is new.
type set struct {
	name string
	kind *kind
	// dynamic sets are empty at first and filled while the table is in force; their elements end by themselves.
	dynamic bool
	size    uint32 // of a dynamic set, in elements
	count   int    // of spans
	spans   iter.Seq[span]
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

func portSet(p policy.PortSet) set {
	ranges := p.Ranges()
	return listed(&portKind, len(ranges), func(i int) span {
		first, last := ranges[i].First, ranges[i].Last
		return span{keyOf([]byte{byte(first >> 8), byte(first)}), keyOf([]byte{byte(last >> 8), byte(last)})}
	})
}

func protocolSet(list []policy.Protocol) set {
	return single(&protocolKind, list, func(p policy.Protocol) []byte { return []byte{byte(p)} })
}

func icmpSet(p policy.Protocol, types []uint8) set {
	k := &icmpKind
	if p == policy.ICMPv6 {
		k = &icmpv6Kind
	}
	return single(k, types, func(n uint8) []byte { return []byte{n} })
}

func ownerSet(group bool, ids []uint32) set {
	k := &userKind
	if group {
		k = &groupKind
	}
	return single(k, ids, nativeBytes)
}

func windowSet(windows []window) set {
	return listed(&timeKind, len(windows), func(i int) span {
		return span{keyOf(windows[i].first.nanoseconds()), keyOf(windows[i].last.nanoseconds())}
	})
}

// single makes a set of values that stand for themselves, in order and without duplicates.
func single[T ~uint8 | ~uint32](k *kind, values []T, bytes func(T) []byte) set {
	values = slices.Clone(values)
	slices.Sort(values)
	values = slices.Compact(values)
	return listed(k, len(values), func(i int) span {
		v := keyOf(bytes(values[i]))
		return span{v, v}
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
