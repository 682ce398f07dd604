package enforce

import (
	"flag"
	"math/rand/v2"
	"testing"

	"pfw/config/policy"
)

var (
	simulatedFlows = flag.Int("flows", 40_000, "how many flows TestCompiledAndLinearAgree simulates, `N`")
	simulatedSeed  = flag.Uint64("seed", 0, "of what is random, `N`; 0 draws one; it is printed")
)

// drawnSeed is the seed of this run, printed so that it can be repeated.
func drawnSeed(t testing.TB) uint64 {
	t.Helper()
	seed := *simulatedSeed
	if seed == 0 {
		seed = rand.Uint64()>>12 | 1
	}
	t.Logf("seed %d", seed)
	return seed
}

// What a rule says is one thing, how it is compiled another: first to last, compiled, and by the policy's own word.
func TestCompiledAndLinearAgree(t *testing.T) {
	seed := drawnSeed(t)
	const perPolicy = 2000
	var lookups, lines, most, early int
	for i := range max(1, *simulatedFlows/perPolicy) {
		r := rand.New(rand.NewPCG(seed+uint64(i), 3))
		w := newRandomWorld(t, r)
		p := w.policy([]int{1000, 1000, 300, 60, 20}[r.IntN(5)])
		ends, banned := w.is(50), w.is(50)
		compiled, linear := Compile(p, Options{Now: now, EndsHere: ends, Banned: banned, Resolver: w.known.of}), Compile(p, Options{Now: now, linear: true, Resolver: w.known.of})
		fast, slow := newSimulator(t, compiled), newSimulator(t, linear)
		if got, room := size(compiled), 3*size(linear)+w.elements*budgetPerLine; got > room {
			t.Errorf("seed %d: size %d of %d rules that are %d in line", seed+uint64(i), got, len(p.Rules()), size(linear))
		}
		shape := compiled.Shape()
		if n := walked(compiled); n > 50*size(compiled) {
			t.Errorf("seed %d: the kernel goes over %d, of %d", seed+uint64(i), n, size(compiled))
		}
		for range perPolicy {
			f := w.flow(p)
			f.Names = w.known
			d := p.Judge(f)
			if d.Rule != nil {
				f.Over = map[policy.Name]policy.Bound{d.Rule.Name: w.bound(d.Rule, p.NeverBans(remoteOfFlow(&f)))}
				d = p.Judge(f)
			}
			want := outcome{verdict: d.Verdict, counter: "always/" + d.By, over: d.Over}
			if d.Rule != nil {
				want.counter = "rule/" + d.By
			} else if d.By == "default" {
				want.counter = "default/" + f.Direction.String()
			}
			before := fast.lookups
			got, also := fast.run(&f), slow.run(&f)
			most = max(most, fast.lookups-before)
			// One more is for what is always in force.
			if n := fast.lookups - before; n > shape.Most+1 {
				t.Errorf("seed %d: %d lookups, where %d are said to be the most: %+v", seed+uint64(i), n, shape.Most, f)
			}
			if got.verdict != want.verdict || got.counter != want.counter || got.over != want.over || got != also {
				t.Fatalf("seed %d -flows 1: %+v\n  Judge:    %+v\n  compiled: %+v\n  linear:   %+v", seed+uint64(i), f, want, got, also)
			}
		}
		lookups, lines, early = lookups+fast.asked, lines+slow.asked, early+fast.dropped
	}
	t.Logf("%d rules were asked where it were %d in line; the most lookups for one packet are %d; %d packets were dropped early", lookups, lines, most, early)
}

// size counts what is sent to the kernel: rules and elements.
func size(r Ruleset) int {
	n := 0
	for _, c := range r.chains {
		n += 1 + len(c.rules)
	}
	for _, s := range r.sets {
		n += 1 + s.count
	}
	return n
}

func (w *randomWorld) accounts() []policy.Account {
	return some(w.r, func() policy.Account { return policy.Account{ID: uint32(1000 + w.r.IntN(40))} })
}
