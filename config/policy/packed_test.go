package policy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawSpans makes merged spans of all lengths, also at the ends of the numbers.
func drawSpans[N number](t *rapid.T, draw func(label string) N) []span[N] {
	var all []span[N]
	for range rapid.IntRange(1, 300).Draw(t, "spans") {
		first := draw("first")
		last := first
		switch rapid.IntRange(0, 2).Draw(t, "form") {
		case 0:
			width := wide(top[N]())
			free := uint8(rapid.IntRange(0, 127).Draw(t, "free"))
			ones := (u128{lo: 1}).unshift(free).minus(u128{lo: 1})
			ones = u128{ones.hi & width.hi, ones.lo & width.lo}
			low := wide(first)
			first = narrow[N](u128{low.hi &^ ones.hi, low.lo &^ ones.lo})
			last = narrow[N](u128{low.hi | ones.hi, low.lo | ones.lo})
		case 1:
			if last = draw("last"); less(last, first) {
				first, last = last, first
			}
		}
		all = append(all, span[N]{first, last})
	}
	return merge(all)
}

func checkPacked[N number](t *rapid.T, draw func(label string) N) {
	merged := drawSpans(t, draw)
	p := pack(merged)
	var back []span[N]
	for r := p.from(0); ; {
		s, ok := r.next()
		if !ok {
			break
		}
		back = append(back, s)
	}
	if !slices.Equal(back, merged) {
		t.Fatalf("%v is packed and back %v", merged, back)
	}
	plain := spans[N]{short: merged}
	look := func(n N) {
		for _, to := range []N{n, prev(n), next(n)} {
			if !less(to, n) && plain.overlaps(n, to) != (spans[N]{long: p}).overlaps(n, to) {
				t.Fatalf("%v to %v overlaps, or not, with %v", n, to, merged)
			}
		}
		a, okA := plain.find(n)
		b, okB := p.find(n)
		if a != b || okA != okB {
			t.Fatalf("%v in %v: found %v %t, want %v %t", n, merged, b, okB, a, okA)
		}
	}
	for _, s := range merged {
		for _, n := range []N{s.first, s.last, prev(s.first), next(s.last)} {
			look(n)
		}
	}
	look(draw("n"))
}

func TestPackedSpansAreTheSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkPacked(t, func(label string) uint32 { return rapid.Uint32().Draw(t, label) })
		checkPacked(t, func(label string) u128 {
			return u128{rapid.Uint64().Draw(t, label), rapid.Uint64().Draw(t, label)}
		})
	})
}

// A long set is what a short one would be.
func TestLongSetsAreSets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		draw := func(n int) (spans[uint32], map[uint32]bool) {
			var all []span[uint32]
			in := map[uint32]bool{}
			for range n {
				first := r.Uint32N(60_000)
				last := first + r.Uint32N(4)
				for x := first; x <= last; x++ {
					in[x] = true
				}
				all = append(all, span[uint32]{first, last})
			}
			return listOf(merge(all)), in
		}
		a, inA := draw(5000)
		b, inB := draw(3000 * r.IntN(2))
		both, rest := intersect(a, b), complement(a)
		sub := intersect(a, complement(b))
		for x := range uint32(60_100) {
			for what, c := range map[string][2]bool{
				"a": {in(a, x), inA[x]}, "a ∩ b": {in(both, x), inA[x] && inB[x]}, "complement": {in(rest, x), !inA[x]}, "a − b": {in(sub, x), inA[x] && !inB[x]},
			} {
				if c[0] != c[1] {
					t.Fatalf("%s: %d: %t, want %t", what, x, c[0], c[1])
				}
			}
		}
		var work int
		if !covers(a, both, &work) || !covers(a, sub, &work) || both.len() > 0 && covers(sub, both, &work) {
			t.Fatal("covers what it does not, or does not what it does")
		}
		if again := listOf(sub.appendTo(both.appendTo(nil))); again.len() != sub.len()+both.len() {
			t.Fatal("appended spans are others")
		}
		gone, come, ok := changes(a, both, 1<<20)
		for _, r := range gone {
			x := number4(r.First)
			if s, _ := a.find(x); s != (span[uint32]{x, number4(r.Last)}) {
				t.Fatal("gone is what was not there")
			}
		}
		if s := union(both.without(come), gone); !ok || s.digest() != a.digest() {
			t.Fatal("with what came taken back and what went put back it is another")
		}
		if merged := listOf(merge(sub.appendTo(both.appendTo(nil)))); merged.digest() != a.digest() || rest.digest() == a.digest() {
			t.Fatal("digests do not tell sets apart")
		}
	}
}

func (l spans[N]) without(list []AddressRange) spans[N] {
	var all []span[uint32]
	for _, r := range list {
		all = append(all, span[uint32]{number4(r.First), number4(r.Last)})
	}
	return intersect(l, any(complement(listOf(merge(all)))).(spans[N]))
}

func union(l spans[uint32], list []AddressRange) spans[uint32] {
	all := l.appendTo(nil)
	for _, r := range list {
		all = append(all, span[uint32]{number4(r.First), number4(r.Last)})
	}
	return listOf(merge(all))
}

func in(l spans[uint32], n uint32) bool {
	_, ok := l.find(n)
	return ok
}

// million makes spans as a list of random prefixes has them.
func million() []span[uint32] {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]span[uint32], 1_000_000)
	for i := range all {
		size := uint32(1) << r.IntN(9)
		first := r.Uint32N(220<<24) &^ (size - 1)
		all[i] = span[uint32]{first, first + size - 1}
	}
	return all
}

func BenchmarkMergeAMillion(b *testing.B) {
	all := million()
	work := make([]span[uint32], len(all))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, all)
		merge(work)
	}
}

func BenchmarkPackAMillion(b *testing.B) {
	merged := merge(million())
	b.ReportAllocs()
	for b.Loop() {
		b.ReportMetric(float64(len(pack(merged).data)), "bytes")
	}
}

func BenchmarkWalkAMillion(b *testing.B) {
	l := listOf(merge(million()))
	b.ReportAllocs()
	for b.Loop() {
		for w := l.walk(); ; {
			if _, ok := w.next(); !ok {
				break
			}
		}
	}
}

func BenchmarkFindInAMillion(b *testing.B) {
	l := listOf(merge(million()))
	r := rand.New(rand.NewPCG(1, 3))
	for b.Loop() {
		l.find(r.Uint32())
	}
}
