package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// BenchmarkMerge sorts and merges lists of random prefixes.
func BenchmarkMerge(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		r := rand.New(rand.NewPCG(1, 2))
		prefixes := make([]netip.Prefix, n)
		for i := range prefixes {
			a := netip.AddrFrom4([4]byte{byte(1 + r.IntN(200)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
			prefixes[i] = netip.PrefixFrom(a, 32-r.IntN(9)).Masked()
		}
		b.Run(fmt.Sprint("prefixes=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var builder AddressBuilder
				for _, p := range prefixes {
					if err := builder.AddPrefix(p); err != nil {
						b.Fatal(err)
					}
				}
				builder.Set()
			}
		})
	}
}
