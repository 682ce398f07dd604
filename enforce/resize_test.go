package enforce

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// sized is a policy of so many bans at most.
func sized(t testing.TB, size uint32) *policy.Policy {
	return build(t, allowing, logging).Guarding(policy.Bans{Size: size}, policy.Detect{})
}

// Who is banned is so at every moment, whatever becomes of the room for bans.
func TestBansStayWhenTheirRoomChanges(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(sized(t, 1000))
	var list []Ban
	for i := range 100 {
		list = append(list, Ban{Remote(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})), time.Hour})
	}
	if err := g.table.Ban(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	ban(t, g.table, 0, "192.0.2.7", "2001:db8::7")
	var leaked atomic.Int64
	tap, err := g.local.Arrivals(false, 17, func(p hosts.Packet) {
		if p.Source == remote4 {
			leaked.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, tap.Close)
	flood := g.injector.Flood([][]byte{to(17, 53).Bytes()}, 20_000, 1<<30)
	for _, size := range []uint32{2000, 1000, 500, 100_000, 50, 70, 101, 1000, 65536} {
		if applied := g.apply(sized(t, size)); applied.Emptied {
			t.Errorf("size %d: the bans are told to be gone", size)
		}
		if got := banned(t, g.table); len(got) != 102 || got[0] != "10.1.0.0/32 1h0m0s" || got[101] != "2001:db8::/64 0s" {
			t.Errorf("size %d: banned are %d, %q", size, len(got), got)
		}
		if differs, err := g.table.Verify(t.Context()); len(differs) > 0 || err != nil {
			t.Errorf("size %d: %q, %v", size, differs, err)
		}
		one := []Ban{{Remote(netip.MustParseAddr("192.0.2.99")), time.Hour}}
		switch err := g.table.Ban(t.Context(), one); {
		case size <= 101 && !errors.Is(err, ErrBansFull):
			t.Errorf("size %d: one more: %v", size, err)
		case size > 101 && err != nil:
			t.Errorf("size %d: one more: %v", size, err)
		}
		if err := g.table.Unban(t.Context(), remotes("192.0.2.99")); err != nil {
			t.Error(err)
		}
	}
	if err := flood.End(); err != nil {
		t.Fatal(err)
	}
	if flood.Sent() == 0 || leaked.Load() > 0 {
		t.Errorf("%d of %d packets of who is banned arrived", leaked.Load(), flood.Sent())
	}
}
