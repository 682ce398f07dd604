package enforce

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// mixedRules is so many rules of ports between rules of addresses, from the one of a number on.
func mixedRules(t testing.TB, from, n int) *policy.Policy {
	t.Helper()
	var rules []policy.Rule
	for i := from; i < from+n; i++ {
		r := policy.Rule{Name: policy.Name(fmt.Sprintf("r%d", i)), Action: policy.Block, Scope: in(t, ""), Traffic: tcp(t, uint16(1000+i))}
		if i%2 == 1 {
			r.Scope, r.Traffic = in(t, fmt.Sprintf("10.%d.%d.0/24 2001:db8:%x::/48", i/256, i%256, i)), nil
		}
		rules = append(rules, r)
	}
	return build(t, standard, logging, rules...)
}

// sent counts what an Apply would send.
func sent(t testing.TB, table *Table, p *policy.Policy) (staged, swapped int) {
	t.Helper()
	r := Compile(p, Options{Now: now})
	plan, err := table.plan(&r)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.stage(func(b *batch) error { staged += len(b.messages); return nil }, nil); err != nil {
		t.Fatal(err)
	}
	return staged, len(plan.swap().messages)
}

// What is in the kernel already is not sent again: not by this process, and not by the next.
func TestAReloadSendsWhatChanged(t *testing.T) {
	h, o := hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()}
	table := open(t, h, o)
	p := mixedRules(t, 0, 200)
	a := apply(t, table, p)
	if staged, swapped := sent(t, table, p); staged+swapped != 0 {
		t.Errorf("%d and %d messages for nothing new", staged, swapped)
	}
	if again := apply(t, table, p); again.Generation != a.Generation {
		t.Errorf("generation %d after %d for nothing new", again.Generation, a.Generation)
	}
	all, _ := sent(t, open(t, hosts.New(t, "fresh"), TableOptions{}).looked(t), p)
	rules := p.Rules()
	changed := make([]policy.Rule, len(rules))
	for i, r := range rules {
		changed[i] = *r
	}
	changed[7].Action = policy.Allow
	// The decider's chain, with its rules before and after.
	if staged, swapped := sent(t, table, build(t, standard, logging, changed...)); staged != 0 || swapped > 10 {
		t.Errorf("%d and %d messages for a rule that decides otherwise, of %d", staged, swapped, all)
	}
	changed[7] = *rules[7]
	changed[9].Scope = in(t, "172.16.0.0/12")
	if staged, swapped := sent(t, table, build(t, standard, logging, changed...)); staged > all/2 || swapped > all/4 || staged == 0 {
		t.Errorf("%d and %d messages for a rule that asks otherwise, of %d", staged, swapped, all)
	}
	crash(t, table)
	next := open(t, h, o)
	if tampered := takeover(t, next); tampered != nil {
		t.Errorf("%q differs", tampered)
	}
	if staged, swapped := sent(t, next, p); staged+swapped != 0 {
		t.Errorf("%d and %d messages for nothing new after a crash", staged, swapped)
	}
}

// looked makes a table ready.
func (t *Table) looked(tb testing.TB) *Table {
	tb.Helper()
	if err := t.refresh(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestTamperingWithMapsIsFound(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{WithoutOwner: true})
	p := mixedRules(t, 0, 60)
	apply(t, table, p)
	before := blocks(t, h)
	named := func(what string) string {
		for name := range table.last.Sets {
			if strings.HasPrefix(name, what) {
				return name
			}
		}
		for name := range table.last.Chains {
			if strings.HasPrefix(name, what) {
				return name
			}
		}
		t.Fatal("no ", what)
		return ""
	}
	const ports, block = "in/tcp/dport_", "in/tcp/block_"
	for _, c := range []struct{ script, want string }{
		{"add element inet pfw MAP { 9 : goto in/r0 }", "map MAP: other elements than those that were left"},
		{"flush map inet pfw MAP", "map MAP: other elements than those that were left"},
		{"insert rule inet pfw CHAIN accept", "chain CHAIN: "},
		{"add map inet pfw other { type ipv4_addr : verdict; elements = { 192.0.2.7 : jump CHAIN }; }", "map other: was added"},
	} {
		names := strings.NewReplacer("MAP", named(ports), "CHAIN", named(block))
		c.script, c.want = names.Replace(c.script), names.Replace(c.want)
		nft(t, h, c.script)
		got, err := table.Verify(t.Context())
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: %q differs, %v, want %q", c.script, got, err, c.want)
		}
		apply(t, table, p)
		if got, err := table.Verify(t.Context()); len(got) > 0 || err != nil {
			t.Errorf("%s: %q differs after it was restored, %v", c.script, got, err)
		}
		if diff := cmp.Diff(firstNames(before), firstNames(blocks(t, h))); diff != "" {
			t.Errorf("%s: not restored:\n%s", c.script, diff)
		}
	}
}

// Nothing stays of a ruleset that was not put in force, whichever step failed.
func TestWhatWasLoadedForNothingIsTakenBack(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	for _, first := range []*policy.Policy{listPolicy(t), mixedRules(t, 100, 60)} {
		apply(t, table, first)
		before := blocks(t, h)
		for what, spoil := range map[string]func(r *Ruleset){
			"a base chain": func(r *Ruleset) {
				c := &r.chains[len(r.chains)-1]
				c.rules = append(c.rules, rule{statements: []statement{goTo{"nowhere"}}})
			},
			"a chain of lines": func(r *Ruleset) {
				for i := range r.chains {
					if c := &r.chains[i]; c.fixed {
						c.rules = append(c.rules, rule{statements: []statement{goTo{"nowhere"}}})
						return
					}
				}
			},
			"a map": func(r *Ruleset) {
				for i := range r.sets {
					if s := &r.sets[i]; s.to != nil {
						s.to = slices.Clone(s.to)
						s.to[len(s.to)-1].chain = "nowhere"
					}
				}
			},
		} {
			bad := Compile(mixedRules(t, 0, 80), Options{Now: now})
			spoil(&bad)
			if _, err := table.Apply(t.Context(), bad); err == nil {
				t.Fatalf("%s: no error", what)
			}
			if diff := cmp.Diff(before, blocks(t, h)); diff != "" {
				t.Errorf("%s: something stays:\n%s", what, diff)
			}
			if got, err := table.Verify(t.Context()); len(got) > 0 || err != nil {
				t.Errorf("%s: %q differs, %v", what, got, err)
			}
		}
	}
	apply(t, table, mixedRules(t, 0, 80))
}

// A process may end when what is new is loaded and packets still meet the old rules.
func TestAnEndBetweenLoadAndSwap(t *testing.T) {
	h, o := hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()}
	table := open(t, h, o)
	apply(t, table, mixedRules(t, 0, 60))
	p := mixedRules(t, 30, 80)
	fresh := hosts.New(t, "fresh")
	nft(t, fresh, Compile(p, Options{Now: now}).String())
	r := Compile(p, Options{Now: now})
	plan, err := table.plan(&r)
	if err != nil {
		t.Fatal(err)
	}
	table.recordUnfinished()
	if err := plan.stage(func(b *batch) error { return table.change(t.Context(), b) }, nil); err != nil {
		t.Fatal(err)
	}
	crash(t, table)
	next := open(t, h, o)
	if tampered := takeover(t, next); tampered != nil {
		t.Errorf("%q differs", tampered)
	}
	apply(t, next, p)
	if diff := cmp.Diff(blocks(t, fresh), firstNames(blocks(t, h))); diff != "" {
		t.Errorf("not as a first load:\n%s", diff)
	}
}

// The kernel judges by maps as the simulation does: real packets, one for each way of a mixed policy.
func TestPacketsThroughMaps(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(mixedRules(t, 0, 300))
	from := func(p hosts.Packet, a string) hosts.Packet { p.Source = netip.MustParseAddr(a); return p }
	for _, c := range []struct {
		what   string
		packet hosts.Packet
		want   string
	}{
		{"a port alone", to(6, 1204), "rule/r204"},
		{"an address alone", from(to(6, 999), "10.0.77.1"), "rule/r77"},
		{"the port before the address", from(to(6, 1040), "10.0.201.1"), "rule/r40"},
		{"the address before the port", from(to(6, 1240), "10.0.199.1"), "rule/r199"},
		{"both in one block, the address first", from(to(6, 1038), "10.0.37.1"), "rule/r37"},
		{"both in one block, the port first", from(to(6, 1036), "10.0.37.1"), "rule/r36"},
		{"another protocol with an address", from(to(17, 1040), "10.0.201.1"), "rule/r201"},
		{"a protocol without ports", from(to(99, 0), "10.0.33.1"), "rule/r33"},
		{"neither", to(6, 999), "default/in"},
		{"IPv6", from(to6(6, 1240), "2001:db8:c7::1"), "rule/r199"},
	} {
		if got := g.decided(c.packet, c.want); got != c.want {
			t.Errorf("%s: decided by %s, want %s", c.what, got, c.want)
		}
	}
}
