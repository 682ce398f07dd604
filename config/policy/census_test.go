package policy

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPrefixesMakeUpTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		four := listOf(drawSpans(t, func(label string) uint32 { return rapid.Uint32().Draw(t, label) }))
		six := listOf(drawSpans(t, func(label string) u128 { return u128{rapid.Uint64().Draw(t, label), rapid.Uint64().Draw(t, label)} }))
		for _, s := range []*AddressSet{{v4: four, v6: six}, {v4: complement(four), v6: complement(six)}} {
			for _, f := range Families {
				var b AddressBuilder
				lengths := [129]int{}
				blocks := map[int][]netip.Prefix{}
				for p := range s.Prefixes(f) {
					// Without Add, which refuses what is IPv4 written as IPv6.
					if r := RangeOf(p); f == IPv4 {
						b.v4 = append(b.v4, span[uint32]{number4(r.First), number4(r.Last)})
					} else {
						b.v6 = append(b.v6, span[u128]{number6(r.First), number6(r.Last)})
					}
					if p != p.Masked() {
						t.Fatalf("%s has host bits", p)
					}
					lengths[p.Bits()]++
					for _, bits := range BlockLengths(f) {
						if p.Bits() >= bits {
							block, _ := p.Addr().Prefix(bits)
							blocks[bits] = append(blocks[bits], block)
						}
					}
				}
				back := b.Set()
				if back.Digest(f) != s.Digest(f) || back.Len(f) != s.Len(f) {
					t.Fatal("prefixes make up another set")
				}
				c := s.Census(f)
				if c.Prefixes != lengths {
					t.Fatalf("%v prefixes counted, want %v", c.Prefixes, lengths)
				}
				for _, bits := range BlockLengths(f) {
					some := len(slices.Compact(blocks[bits]))
					shorter := false
					for n := range bits {
						shorter = shorter || lengths[n] > 0
					}
					if got := c.Blocks[bits]; got < some || !shorter && got != some {
						t.Fatalf("%d blocks of %d bits counted, want %d", got, bits, some)
					}
				}
			}
		}
	})
	var b AddressBuilder
	for _, s := range []string{"10.0.0.0/22", "10.0.4.1/32", "10.0.5.0/25", "11.0.0.0/9"} {
		if err := b.AddPrefix(netip.MustParsePrefix(s)); err != nil {
			t.Fatal(err)
		}
	}
	if c := b.Set().Census(IPv4); c.Blocks[24] != 4+1+1+1<<15 || c.Blocks[16] != 1+128 || c.Blocks[8] != 2 {
		t.Errorf("blocks %v", c.Blocks)
	}
	if c := AllAddresses().Census(IPv6); c.Prefixes[0] != 1 {
		t.Errorf("all addresses are %v", c.Prefixes)
	}
}
