package enforce

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// manyRules is a policy of so many rules, of the kinds that people write.
func manyRules(t testing.TB, n int) *policy.Policy {
	var rules []policy.Rule
	for i := range n {
		r := policy.Rule{Name: policy.Name(fmt.Sprintf("rule-%d", i)), Action: policy.Block, Log: true}
		switch i % 4 {
		case 0:
			r.Scope, r.Traffic = in(t, ""), tcp(t, uint16(i))
		case 1:
			r.Scope, r.Traffic = in(t, fmt.Sprintf("10.%d.%d.0/24 fd00:%x::/32", i>>8&255, i&255, i)), udp(t, uint16(i))
		case 2:
			r.Scope = policy.Both{Ends: policy.Ends{Remote: addresses(t, fmt.Sprintf("10.%d.%d.1 10.%d.%d.9", i>>8&255, i&255, i>>8&255, i&255))}}
		case 3:
			r.Scope, r.Traffic = out(t, ""), ports(t, nil, policy.PortRange{First: uint16(i), Last: uint16(i)}, policy.PortRange{First: 60000, Last: 60010})
		}
		rules = append(rules, r)
	}
	return build(t, standard, logging, rules...)
}

// manyPrefixes is a policy with a list of so many prefixes, three in four of IPv4; turn makes another list.
func manyPrefixes(t testing.TB, n, turn int) *policy.Policy {
	var b policy.AddressBuilder
	r := rand.New(rand.NewPCG(1, uint64(turn)))
	for i := range n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + r.IntN(200)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), 32-2*r.IntN(3))
		if i%4 == 3 {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), 48)
		}
		if err := b.AddPrefix(p); err != nil {
			t.Fatal(err)
		}
	}
	return build(t, standard, logging, policy.Rule{Name: "list", Action: policy.Block, Scope: policy.Both{Ends: policy.Ends{Remote: policy.NewAddresses(b.Set(), "@list")}}})
}

var sizes = []int{10, 1_000, 10_000}

func BenchmarkCompile(b *testing.B) {
	run := func(name string, p *policy.Policy) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Compile(p, Options{Now: now})
			}
		})
	}
	for _, n := range sizes {
		run(fmt.Sprintf("rules=%d", n), manyRules(b, n))
		run(fmt.Sprintf("mixed=%d", n), kindRules(b, "mixed", n))
	}
	run("prefixes=100000", manyPrefixes(b, 100_000, 0))
}

// BenchmarkApply swaps between two policies, so that every list is loaded anew and every rule is another.
func BenchmarkApply(b *testing.B) {
	run := func(name string, of func(turn int) *policy.Policy) {
		b.Run(name, func(b *testing.B) {
			rulesets := []Ruleset{Compile(of(0), Options{Now: now}), Compile(of(1), Options{Now: now})}
			table := open(b, hosts.New(b, "host"), TableOptions{StateDir: b.TempDir()})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := table.Apply(b.Context(), rulesets[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, kind := range []string{"mixed", "ports", "addresses"} {
		for _, n := range sizes {
			policies := []*policy.Policy{kindRules(b, kind, n), kindRules(b, kind, n+1)}
			run(fmt.Sprintf("%s=%d", kind, n), func(turn int) *policy.Policy { return policies[turn] })
		}
	}
	for _, n := range []int{100_000, 1_000_000} {
		run(fmt.Sprintf("prefixes=%d", n), func(turn int) *policy.Policy { return manyPrefixes(b, n, turn) })
	}
}

// BenchmarkApplyFirst puts a policy in force where there was none.
func BenchmarkApplyFirst(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			r := Compile(manyRules(b, n), Options{Now: now})
			table := open(b, hosts.New(b, "host"), TableOptions{StateDir: b.TempDir()})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := table.Apply(b.Context(), r); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := table.Remove(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkApplyAgain is a reload of the same file.
func BenchmarkApplyAgain(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			r := Compile(manyRules(b, n), Options{Now: now})
			table := open(b, hosts.New(b, "host"), TableOptions{StateDir: b.TempDir()})
			for b.Loop() {
				if _, err := table.Apply(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCounters(b *testing.B) {
	table := open(b, hosts.New(b, "host"), TableOptions{})
	apply(b, table, manyRules(b, 1000))
	for b.Loop() {
		if _, err := table.Counters(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
