package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// crash ends a process's hold on the table without a word, as kill -9 does.
func crash(t testing.TB, table *Table) {
	t.Helper()
	table.mu.Lock()
	defer table.mu.Unlock()
	if err := table.socket.close(); err != nil {
		t.Fatal(err)
	}
}

// leave puts a policy in force and crashes.
func leave(t testing.TB, h *hosts.Host, o TableOptions, p *policy.Policy) {
	t.Helper()
	table := open(t, h, o)
	apply(t, table, p)
	crash(t, table)
}

func takeover(t testing.TB, table *Table) []string {
	t.Helper()
	found, tampered, err := table.Takeover(t.Context())
	if err != nil || !found {
		t.Fatalf("found %t, %v", found, err)
	}
	return tampered
}

func listPolicy(t testing.TB) *policy.Policy {
	return build(t, standard, logging,
		policy.Rule{Name: "ssh", Action: policy.Allow, Scope: in(t, "10.0.0.0/8 192.0.2.7"), Traffic: tcp(t, 22)},
		policy.Rule{Name: "web", Action: policy.Allow, Scope: in(t, ""), Traffic: tcp(t, 80)})
}

func TestNoTableToTakeOver(t *testing.T) {
	table := open(t, hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()})
	if found, tampered, err := table.Takeover(t.Context()); found || tampered != nil || err != nil {
		t.Error(found, tampered, err)
	}
}

// sleep stands for a change that nft 1.0.6 cannot make, as it knows no persist.
const sleep = "sleep"

func putToSleep(t testing.TB, h *hosts.Host) {
	t.Helper()
	const flagDormant = 0x1
	err := h.Do(func() error {
		s, err := dial()
		if err != nil {
			return err
		}
		var b batch
		b.addTable(flagPersist | flagDormant)
		return errors.Join(s.commit(t.Context(), &b), s.close())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// firstNames gives sets that were loaded anew the names that they had.
func firstNames(blocks []string) []string {
	for i := range blocks {
		blocks[i] = regexp.MustCompile(`(_[0-9a-f]{20})_[0-9]+`).ReplaceAllString(blocks[i], "$1")
	}
	slices.Sort(blocks)
	return blocks
}

func TestTakeoverFindsWhatWasChanged(t *testing.T) {
	p := listPolicy(t)
	set := setOf(Compile(p, Options{Now: now}))
	for _, c := range []struct {
		what, script string
		differs      []string
	}{
		{"nothing", "", nil},
		{"another table", "add table ip other", nil},
		{"a rule more", "insert rule inet pfw input accept", []string{"chain input: 20 rules where 19 were left"}},
		{"other rules", "flush chain inet pfw in/ssh\nadd rule inet pfw in/ssh accept\nadd rule inet pfw in/ssh accept\nadd rule inet pfw in/ssh accept",
			[]string{"chain in/ssh: other rules than those that were left"}},
		{"no rules", "flush table inet pfw", []string{
			"chain in/default: 2 rules where 0", "chain in/ssh", "chain in/web", "chain input", "chain out/default", "chain output"}},
		{"another policy", "add chain inet pfw input { policy accept; }",
			[]string{"chain input: filter hook input priority 0, policy accept where filter hook input priority 0, policy drop was left"}},
		{"another priority", "flush chain inet pfw input\ndelete chain inet pfw input\nadd chain inet pfw input { type filter hook input priority 5; policy accept; }",
			[]string{"chain input: filter hook input priority 5, policy accept where filter hook input priority 0, policy drop was left"}},
		{"no hook", "flush chain inet pfw input\ndelete chain inet pfw input\nadd chain inet pfw input",
			[]string{"chain input: no hook where filter hook input priority 0, policy drop was left"}},
		{"a counter of another kind", "flush table inet pfw\ndelete counter inet pfw rule/ssh\nadd quota inet pfw rule/ssh { over 1 bytes }",
			[]string{"chain in/default", "chain in/ssh", "chain in/web", "chain input", "chain out/default", "chain output", "counter rule/ssh: is gone", "object rule/ssh: was added"}},
		{"an element more", "add element inet pfw " + set + " { 198.51.100.0/24 }", []string{"set " + set + ": other elements than those that were left"}},
		{"an element less", "delete element inet pfw " + set + " { 192.0.2.7 }", []string{"set " + set + ": other elements than those that were left"}},
		{"a chain more", "add chain inet pfw mine { type filter hook input priority -300; policy accept; }", []string{"chain mine: was added"}},
		{"a set more", "add set inet pfw mine { type ether_addr; }", []string{"set mine: was added"}},
		{"a map with a rule", "add map inet pfw m { type ipv4_addr : verdict; }\ninsert rule inet pfw input ip saddr vmap @m\ninsert rule inet pfw input tcp dport vmap { 22: accept }",
			[]string{"chain input: 21 rules where 19 were left", "map __map0: was added", "map m: was added"}},
		{"a chain less", "flush chain inet pfw input\nflush chain inet pfw in/web\ndelete chain inet pfw in/web",
			[]string{"chain in/web: is gone", "chain input: 0 rules where 19 were left"}},
		{"asleep", sleep, []string{"table inet pfw: is asleep (flags dormant)"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, o := hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()}
			leave(t, h, o, p)
			before := blocks(t, h)
			switch c.script {
			case "":
			case sleep:
				putToSleep(t, h)
			default:
				nft(t, h, c.script)
			}
			table := open(t, h, o)
			got := takeover(t, table)
			if len(got) != len(c.differs) {
				t.Fatalf("%q differs, want %q", got, c.differs)
			}
			for i := range got {
				want := strings.TrimSuffix(c.differs[i], ": 2 rules where 0")
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%q differs, want %q", got[i], want)
				}
			}
			if !table.Owned() {
				t.Error("not owned")
			}
			apply(t, table, p)
			after := firstNames(blocks(t, h))
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("not restored:\n%s", diff)
			}
			if got, err := table.Verify(t.Context()); len(got) > 0 || err != nil {
				t.Error(got, err)
			}
		})
	}
}

func TestTakeoverKeepsCountersAndBans(t *testing.T) {
	o := TableOptions{StateDir: t.TempDir()}
	g := newGround(t, o)
	p := listPolicy(t)
	g.apply(p)
	if got := g.decided(to(6, 1001), "default/in"); got != "default/in" {
		t.Fatal(got)
	}
	if err := g.table.Keep(t.Context(), []Tuple{{policy.TCP, netip.AddrPortFrom(remote4, 1), netip.AddrPortFrom(local4, 2)}}); err != nil {
		t.Fatal(err)
	}
	crash(t, g.table)
	// Nobody owns it now, so that an element can be added by hand, as bans are not made yet.
	nft(t, g.local, "add element inet pfw banned4 { 192.0.2.7 timeout 1h }")

	g.table = open(t, g.local, o)
	if tampered := takeover(t, g.table); tampered != nil {
		t.Error(tampered)
	}
	g.apply(p)
	c, err := g.table.Counters(t.Context())
	if err != nil || c.Defaults[policy.In].Packets != 1 {
		t.Errorf("%+v, %v: want 1 packet", c.Defaults[policy.In], err)
	}
	if got := g.decided(to(6, 22), "always/banned"); got != "always/banned" {
		t.Errorf("a banned host's packet went to %s", got)
	}
	if out := list(t, g.local); !strings.Contains(out, "192.0.2.7 . 1 . 192.0.2.10 . 2") {
		t.Errorf("the kept connection is gone:\n%s", out)
	}
}

// bigPolicy blocks a list that is too long to be read back.
func bigPolicy(t testing.TB) *policy.Policy {
	var b policy.AddressBuilder
	for n := range readBack + 1 {
		if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(n >> 8), byte(n), 0}), 30)); err != nil {
			t.Fatal(err)
		}
	}
	return build(t, standard, logging, policy.Rule{Name: "list", Action: policy.Block, Scope: policy.Inbound{Ends: policy.Ends{Remote: policy.NewAddresses(b.Set(), "@list")}}})
}

func TestABigSetIsLoadedAnewOnlyWhereItMayHaveBeenChanged(t *testing.T) {
	p := bigPolicy(t)
	for _, c := range []struct {
		what, script string
		again        bool
	}{
		{"untouched", "", false},
		{"another table changed", "add table ip other", true},
		{"changed", "flush table inet pfw", true},
	} {
		t.Run(c.what, func(t *testing.T) {
			h, o := hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()}
			leave(t, h, o, p)
			if c.script != "" {
				nft(t, h, c.script)
			}
			table := open(t, h, o)
			takeover(t, table)
			apply(t, table, p)
			var names []string
			for name := range table.last.Sets {
				if strings.HasPrefix(name, "net4_30_") {
					names = append(names, name)
				}
			}
			if len(names) != 1 || strings.HasSuffix(names[0], "_2") != c.again {
				t.Errorf("sets %q; loaded anew should be %t", names, c.again)
			}
			// And what was loaded now is known to whoever comes next.
			crash(t, table)
			next := open(t, h, o)
			takeover(t, next)
			if len(next.held) != len(table.held) {
				t.Errorf("%d sets are trusted, want %d", len(next.held), len(table.held))
			}
		})
	}
}

func TestTheOwnerKeepsOthersOff(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	apply(t, table, listPolicy(t))
	for _, script := range []string{"flush chain inet pfw input", "delete table inet pfw", "add element inet pfw banned4 { 192.0.2.7 }"} {
		if out, err := h.Command("nft", script).CombinedOutput(); err == nil || !strings.Contains(string(out), "not permitted") {
			t.Errorf("nft %s: %v %s", script, err, out)
		}
	}
	before := list(t, h)
	nft(t, h, "flush ruleset")
	if list(t, h) != before {
		t.Error("nft flush ruleset changed the table")
	}
	other := open(t, h, TableOptions{})
	if _, err := other.Apply(t.Context(), Compile(listPolicy(t), Options{Now: now})); err == nil || !strings.Contains(err.Error(), "does another pfwd run?") {
		t.Errorf("a second owner: %v", err)
	}
	if _, _, err := other.Takeover(t.Context()); err == nil || !strings.Contains(err.Error(), "does another pfwd run?") {
		t.Errorf("a second owner takes over: %v", err)
	}
}

func TestWithoutOwnerChangesAreFoundAndRestored(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{WithoutOwner: true})
	p := listPolicy(t)
	apply(t, table, p)
	if table.Owned() {
		t.Error("owned")
	}
	before := blocks(t, h)
	changed := func(want bool) {
		t.Helper()
		if got, err := table.Changed(t.Context()); got != want || err != nil {
			t.Errorf("changed %t, %v, want %t", got, err, want)
		}
	}
	verify := func(want ...string) {
		t.Helper()
		if got, err := table.Verify(t.Context()); !slices.Equal(got, want) || err != nil {
			t.Errorf("%q differs, %v, want %q", got, err, want)
		}
	}
	changed(false)
	if err := table.Keep(t.Context(), []Tuple{{policy.UDP, netip.AddrPortFrom(remote6, 1), netip.AddrPortFrom(local6, 2)}}); err != nil {
		t.Fatal(err)
	}
	changed(false)
	nft(t, h, "add table ip other")
	changed(true)
	verify()
	changed(false)

	nft(t, h, "insert rule inet pfw input accept")
	changed(true)
	verify("chain input: 20 rules where 19 were left")
	verify("chain input: 20 rules where 19 were left")
	apply(t, table, p)
	changed(false)
	verify()

	nft(t, h, "add table inet pfw { flags dormant; }")
	changed(true)
	verify("table inet pfw: is asleep (flags dormant)")
	apply(t, table, p)
	verify()

	nft(t, h, "delete table inet pfw")
	changed(true)
	verify("table inet pfw: is gone")
	apply(t, table, p)
	changed(false)
	verify()
	if diff := cmp.Diff(before, blocks(t, h)); diff != "" {
		t.Errorf("not restored:\n%s", diff)
	}
}

// A table of that name that is no pfwd's cannot be owned. It is replaced, and not by an open door.
func TestATableOfSomebodyElseIsReplaced(t *testing.T) {
	h := hosts.New(t, "host")
	nft(t, h, "table inet pfw {\n chain input {\n type filter hook input priority 0; policy accept;\n }\n}")
	table := open(t, h, TableOptions{StateDir: t.TempDir()})
	if tampered := takeover(t, table); len(tampered) != 1 {
		t.Errorf("%q differs", tampered)
	}
	if !table.Owned() {
		t.Error("not owned")
	}
	for _, chain := range []string{"input", "output"} {
		if base := table.last.Chains[chain].Base; !strings.HasSuffix(base, "policy drop") {
			t.Errorf("chain %s is %s until the policy is in force", chain, base)
		}
	}
	apply(t, table, listPolicy(t))
}

func TestAnUnreadableRecordIsNone(t *testing.T) {
	h, o := hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()}
	leave(t, h, o, listPolicy(t))
	table := open(t, h, o)
	writeFile(t, table.recordPath(), "{")
	if got := takeover(t, table); len(got) != 1 || !strings.Contains(got[0], "no record") {
		t.Errorf("%q differs", got)
	}
	apply(t, table, listPolicy(t))
}

func TestAnEndedContextChangesNothing(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	apply(t, table, listPolicy(t))
	before := list(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Apply(ctx, Compile(bigPolicy(t), Options{Now: now})); err == nil {
		t.Error("no error")
	}
	if after := list(t, h); after != before {
		t.Error(fmt.Sprint("changed:\n", after))
	}
}
