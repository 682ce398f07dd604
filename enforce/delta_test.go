package enforce

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/nftables"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// holds fails the test where a set in the kernel does not hold what the ruleset says.
func holds(t *testing.T, table *Table, r Ruleset) {
	t.Helper()
	for i := range r.sets {
		s := &r.sets[i]
		if s.dynamic || s.to != nil {
			continue
		}
		elements, err := table.socket.lib.GetSetElements(&nftables.Set{Table: inet, Name: table.held[s.name]})
		if err != nil {
			t.Fatal(s.name, ": ", err)
		}
		got := make([]string, len(elements))
		for i, e := range elements {
			got[i] = elementText(e.Key, e.IntervalEnd, nil)
		}
		var want []string
		for e := range s.elements {
			want = append(want, elementText(e.key, e.end, nil))
		}
		if elementsHash(got) != elementsHash(want) {
			t.Fatalf("set %s, as %s, holds %d elements and not the %d of the list", s.name, table.held[s.name], len(got), len(want))
		}
	}
}

// drift is a list that changes.
type drift struct {
	r   *rand.Rand
	all map[netip.Prefix]bool
}

func (d *drift) add(n int) {
	for range n {
		a := netip.AddrFrom4([4]byte{byte(1 + d.r.IntN(100)), byte(d.r.Uint32()), byte(d.r.Uint32()), byte(d.r.Uint32())})
		p := netip.PrefixFrom(a, 32-4*(d.r.IntN(5)/2*d.r.IntN(2)))
		if d.r.IntN(4) == 0 {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 13: byte(d.r.Uint32()), 14: byte(d.r.Uint32()), 15: byte(d.r.Uint32())}), 128-8*(d.r.IntN(4)/3))
		}
		d.all[p.Masked()] = true
	}
}

func (d *drift) drop(n int) {
	all := slices.SortedFunc(maps.Keys(d.all), netip.Prefix.Compare)
	for range n {
		delete(d.all, all[d.r.IntN(len(all))])
	}
}

func (d *drift) list(t testing.TB) policy.Addresses {
	var b policy.AddressBuilder
	for p := range d.all {
		if err := b.AddPrefix(p); err != nil {
			t.Fatal(err)
		}
	}
	return policy.NewAddresses(b.Set(), "@list")
}

func TestAListThatChangedALittleIsEditedInPlace(t *testing.T) {
	table := open(t, hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()})
	d := drift{rand.New(rand.NewPCG(1, 1)), map[netip.Prefix]bool{}}
	d.add(4000)
	rules := 1
	use := func() (Ruleset, map[string]string) {
		t.Helper()
		list := []policy.Rule{{Name: "list", Action: policy.Block, Scope: policy.Both{Ends: policy.Ends{Remote: d.list(t)}}}}
		for i := range rules {
			list = append(list, policy.Rule{Name: policy.Name(fmt.Sprintf("r%d", i)), Action: policy.Allow, Scope: in(t, ""), Traffic: tcp(t, uint16(i+1))})
		}
		r := Compile(build(t, standard, logging, list...), Options{Now: now})
		if _, err := table.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		holds(t, table, r)
		if differs, err := table.Verify(t.Context()); len(differs) > 0 || err != nil {
			t.Fatal(differs, err)
		}
		return r, table.held
	}
	_, before := use()
	same := func(want bool) {
		t.Helper()
		_, after := use()
		names := func(m map[string]string) []string { return slices.Sorted(maps.Values(m)) }
		if got := slices.Equal(names(before), names(after)); got != want {
			t.Errorf("changed in place: %t, want %t: %v, were %v", got, want, names(after), names(before))
		}
		before = after
	}
	same(true)
	for range 10 {
		d.drop(d.r.IntN(30))
		d.add(d.r.IntN(30))
		same(true)
	}
	rules = 2
	d.add(5)
	same(false)
	d.drop(5)
	same(true)
	d.add(3000)
	same(false)
	d.drop(40)
	same(true)
}

// In a file of many rules too, and where the rule of the list is one of them: what is named by its rules is named the same.
func TestAListInALongFileIsEditedInPlace(t *testing.T) {
	for _, place := range []int{0, 100, 200} {
		table := open(t, hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()})
		d := drift{rand.New(rand.NewPCG(1, uint64(place))), map[netip.Prefix]bool{}}
		d.add(4000)
		var rules []policy.Rule
		for _, r := range mixedRules(t, 0, 200).Rules() {
			rules = append(rules, *r)
		}
		use := func() []string {
			t.Helper()
			list := policy.Rule{Name: "list", Action: policy.Block, Scope: policy.Inbound{Ends: policy.Ends{Remote: d.list(t)}}}
			r := Compile(build(t, standard, logging, slices.Insert(slices.Clone(rules), place, list)...), Options{Now: now})
			if _, err := table.Apply(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			holds(t, table, r)
			if differs, err := table.Verify(t.Context()); len(differs) > 0 || err != nil {
				t.Fatal(differs, err)
			}
			return slices.Sorted(maps.Values(table.held))
		}
		before := use()
		for range 3 {
			d.drop(20)
			d.add(20)
			if after := use(); !slices.Equal(before, after) {
				t.Errorf("list at %d: not changed in place: %v, were %v", place, after, before)
				before = after
			}
		}
	}
}

// A set that somebody else changed is not edited but loaded anew.
func TestASetThatCannotBeEditedIsLoadedAnew(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{WithoutOwner: true})
	d := drift{rand.New(rand.NewPCG(1, 2)), map[netip.Prefix]bool{}}
	d.add(2 * readBack)
	apply := func() Ruleset {
		t.Helper()
		r := Compile(build(t, standard, logging, policy.Rule{Name: "list", Action: policy.Block, Scope: policy.Inbound{Ends: policy.Ends{Remote: d.list(t)}}}), Options{Now: now})
		if _, err := table.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		holds(t, table, r)
		return r
	}
	r := apply()
	for i := range r.sets {
		if s := &r.sets[i]; s.share != nil {
			nft(t, h, fmt.Sprintf("flush set inet pfw %s", table.held[s.name]))
		}
	}
	d.drop(20)
	apply()
}

func BenchmarkEdit(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("prefixes=%d", n), func(b *testing.B) {
			d := drift{rand.New(rand.NewPCG(1, 3)), map[netip.Prefix]bool{}}
			d.add(n)
			table := open(b, hosts.New(b, "host"), TableOptions{StateDir: b.TempDir()})
			var rulesets [2]Ruleset
			for i := range rulesets {
				rulesets[i] = Compile(build(b, standard, logging, policy.Rule{Name: "list", Action: policy.Block, Scope: policy.Both{Ends: policy.Ends{Remote: d.list(b)}}}), Options{Now: now})
				d.add(100)
			}
			if _, err := table.Apply(b.Context(), rulesets[1]); err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				if _, err := table.Apply(b.Context(), rulesets[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
