package enforce

import (
	"net/netip"
	"testing"

	"pfw/e2e/hosts"
)

// Bans are made by a later part of pfw; here by hand, as nobody owns the table.
func TestBannedRemotes(t *testing.T) {
	g := newGround(t, TableOptions{WithoutOwner: true})
	g.apply(build(t, allowing, logging))
	from := func(p hosts.Packet, a string) hosts.Packet { p.Source = netip.MustParseAddr(a); return p }
	nft(t, g.local, "add element inet pfw banned4 { 192.0.2.9 timeout 1h }\nadd element inet pfw banned6 { 2001:db8:5:6:: timeout 1h }")
	for _, c := range []struct {
		what    string
		packet  hosts.Packet
		decided string
	}{
		{"banned", from(to(6, 22), "192.0.2.9"), "always/banned"},
		{"not banned", from(to(6, 22), "192.0.2.8"), "default/in"},
		{"IPv6 of a banned /64", from(to6(6, 22), "2001:db8:5:6:7::8"), "always/banned"},
		{"IPv6 beside a banned /64", from(to6(6, 22), "2001:db8:5:7::8"), "default/in"},
	} {
		if got := g.decided(c.packet, c.decided); got != c.decided {
			t.Errorf("%s: %s decided, want %s", c.what, got, c.decided)
		}
	}
	s := stream(t, g.remote, g.local, "192.0.2.10:5001")
	if err := s.Alive(patience); err != nil {
		t.Fatal(err)
	}
	nft(t, g.local, "add element inet pfw banned4 { 192.0.2.7 timeout 1h }")
	if err := s.Alive(unrest * 10); err == nil {
		t.Error("an open connection of a banned remote goes on")
	}
}
