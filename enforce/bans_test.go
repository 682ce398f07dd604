package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

func banned(t testing.TB, table *Table) (all []string) {
	t.Helper()
	list, err := table.Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		all = append(all, fmt.Sprint(b.Remote, " ", b.Left.Round(time.Minute)))
	}
	slices.Sort(all)
	return all
}

func remotes(addresses ...string) (out []netip.Prefix) {
	for _, a := range addresses {
		out = append(out, Remote(netip.MustParseAddr(a)))
	}
	return out
}

func ban(t testing.TB, table *Table, left time.Duration, addresses ...string) {
	t.Helper()
	var list []Ban
	for _, r := range remotes(addresses...) {
		list = append(list, Ban{r, left})
	}
	if err := table.Ban(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func TestBanAndUnban(t *testing.T) {
	g := newGround(t, TableOptions{})
	p := build(t, allowing, logging)
	if applied := g.apply(p); !applied.Emptied {
		t.Error("the sets of a new table are not told to be new")
	}
	from := func(p hosts.Packet, a string) hosts.Packet { p.Source = netip.MustParseAddr(a); return p }
	ban(t, g.table, time.Hour, "192.0.2.9", "2001:db8:5:6:7::8", "2001:db8:5:6::1")
	for _, c := range []struct {
		what    string
		packet  hosts.Packet
		decided string
	}{
		{"banned", from(to(6, 22), "192.0.2.9"), "always/banned"},
		{"not banned", from(to(6, 22), "192.0.2.8"), "default/in"},
		{"another of the /64", from(to6(6, 22), "2001:db8:5:6:ffff::1"), "always/banned"},
		{"beside the /64", from(to6(6, 22), "2001:db8:5:7::8"), "default/in"},
	} {
		if got := g.decided(c.packet, c.decided); got != c.decided {
			t.Errorf("%s: %s decided, want %s", c.what, got, c.decided)
		}
	}
	// Renewed, over a reload, and to no end.
	ban(t, g.table, 3*time.Hour, "192.0.2.9")
	if applied := g.apply(p); applied.Emptied {
		t.Error("the sets are new after a reload")
	}
	ban(t, g.table, 0, "192.0.2.11")
	want := []string{"192.0.2.11/32 0s", "192.0.2.9/32 3h0m0s", "2001:db8:5:6::/64 1h0m0s"}
	if got := banned(t, g.table); !slices.Equal(got, want) {
		t.Errorf("banned are %q, want %q", got, want)
	}
	if b, ok, err := g.table.Banned(t.Context(), remotes("192.0.2.9")[0]); !ok || err != nil || b.Left.Round(time.Minute) != 3*time.Hour {
		t.Errorf("banned for %s, %t, %v", b.Left, ok, err)
	}
	if _, ok, err := g.table.Banned(t.Context(), remotes("192.0.2.10")[0]); ok || err != nil {
		t.Errorf("banned: %t, %v", ok, err)
	}
	if err := g.table.Unban(t.Context(), remotes("192.0.2.9", "192.0.2.200", "2001:db8:5:6::")); err != nil {
		t.Fatal(err)
	}
	if got := banned(t, g.table); len(got) != 1 {
		t.Errorf("banned are %q", got)
	}
	if got := g.decided(from(to(6, 23), "192.0.2.9"), "default/in"); got != "default/in" {
		t.Errorf("after its ban %s decided", got)
	}
	if changed, err := g.table.Changed(t.Context()); changed || err != nil {
		t.Errorf("bans look like somebody else's change: %t, %v", changed, err)
	}
	if differs, err := g.table.Verify(t.Context()); len(differs) > 0 || err != nil {
		t.Errorf("bans are tampering: %q, %v", differs, err)
	}
}

func TestBanEndsOpenConnectionsAndThenItself(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, allowing, logging))
	for _, c := range []struct{ address, remote string }{{"192.0.2.10:5001", "192.0.2.7"}, {"[2001:db8::10]:5001", "2001:db8::7"}} {
		s := stream(t, g.remote, g.local, c.address)
		if err := s.Alive(patience); err != nil {
			t.Fatal(err)
		}
		ban(t, g.table, 2*time.Second, c.remote)
		if err := s.Alive(500 * time.Millisecond); err == nil {
			t.Errorf("the open connection of %s goes on", c.remote)
		}
		// TCP sends again what was not answered.
		if err := s.Alive(patience); err != nil {
			t.Errorf("after the ban of %s: %v", c.remote, err)
		}
	}
	if got := banned(t, g.table); len(got) > 0 {
		t.Errorf("banned are %q", got)
	}
}

func TestBansOfOthers(t *testing.T) {
	g := newGround(t, TableOptions{WithoutOwner: true})
	g.apply(build(t, allowing, logging))
	nft(t, g.local, "add element inet pfw banned4 { 192.0.2.9 timeout 1h }\nadd element inet pfw banned4 { 192.0.2.8 }\n"+
		"add element inet pfw banned6 { 2001:db8:5:6:: timeout 2h }\nadd element inet pfw banned6 { 2001:db8:5:7::1 timeout 2h }")
	want := []string{"192.0.2.8/32 0s", "192.0.2.9/32 1h0m0s", "2001:db8:5:6::/64 2h0m0s"}
	if got := banned(t, g.table); !slices.Equal(got, want) {
		t.Errorf("banned are %q, want %q", got, want)
	}
	// Whoever deletes the set has it made anew, and is told to fill it.
	nft(t, g.local, "delete table inet pfw")
	if applied := g.apply(build(t, allowing, logging)); !applied.Emptied {
		t.Error("the sets of a table that was deleted are not told to be new")
	}
}

func TestBansAreFull(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, allowing, logging))
	var list []Ban
	for i := range policy.BansAtMost {
		list = append(list, Ban{Remote(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})), time.Hour})
	}
	began := time.Now()
	if err := g.table.Ban(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	loaded := time.Now()
	// A dump that meets the kernel's hash while it grows misses some.
	for end := loaded.Add(20 * time.Second); ; {
		got, err := g.table.Bans(t.Context())
		if len(got) == policy.BansAtMost {
			break
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%d are banned of %d, %v", len(got), policy.BansAtMost, err)
		}
	}
	t.Logf("%d bans: loaded in %s, read in %s", policy.BansAtMost, loaded.Sub(began), time.Since(loaded))
	one := []Ban{{Remote(netip.MustParseAddr("192.0.2.9")), time.Hour}}
	if err := g.table.Ban(t.Context(), one); !errors.Is(err, ErrBansFull) {
		t.Errorf("one too many: %v", err)
	}
	// One that is there can be renewed all the same, and the other family has room.
	began = time.Now()
	if err := g.table.Ban(t.Context(), list[:1]); err != nil {
		t.Errorf("renewed: %v", err)
	}
	t.Logf("one renewed among them in %s", time.Since(began))
	ban(t, g.table, time.Hour, "2001:db8:5:6::1")
	if err := g.table.Unban(t.Context(), []netip.Prefix{list[0].Remote}); err != nil {
		t.Fatal(err)
	}
	if err := g.table.Ban(t.Context(), one); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
}
