package enforce

import (
	"strings"
	"testing"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// What is dropped before conntrack outlives a crash like all else, is missed where somebody takes it away, and moves behind
// conntrack and back.
func TestEarlyIsTakenOver(t *testing.T) {
	hosts.Need(t, "nft")
	h, o := hosts.New(t, "host"), TableOptions{StateDir: t.TempDir(), WithoutOwner: true}
	p := build(t, standard, logging,
		policy.Rule{Name: "bad", Action: policy.Block, Scope: policy.Both{Ends: policy.Ends{Remote: addresses(t, "203.0.113.0/24 2001:db8:bad::/48")}}},
		policy.Rule{Name: "web", Action: policy.Allow, Scope: in(t, ""), Traffic: tcp(t, 80)})
	before, behind := Compile(p, Options{Now: now, EndsHere: true}), Compile(p, Options{Now: now})
	table := open(t, h, o)
	is := func(r Ruleset, asksEarly bool) {
		t.Helper()
		if _, err := table.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		text := list(t, h)
		if strings.Contains(text, "hook prerouting priority raw") != asksEarly {
			t.Fatalf("before conntrack is not %t:\n%s", asksEarly, text)
		}
		// Once, not twice.
		if n := strings.Count(text, "saddr @banned4"); n != 1 {
			t.Fatalf("%d rules ask who is banned:\n%s", n, text)
		}
	}
	next := func() {
		t.Helper()
		crash(t, table)
		table = open(t, h, o)
	}
	is(before, true)
	next()
	if differs := takeover(t, table); len(differs) > 0 {
		t.Errorf("taken over untouched: %q", differs)
	}
	is(before, true)
	is(behind, false)
	is(before, true)
	next()
	nft(t, h, "delete chain inet pfw prerouting")
	if differs := takeover(t, table); len(differs) != 1 || differs[0] != "chain prerouting: is gone" {
		t.Errorf("%q", differs)
	}
	is(before, true)
}
