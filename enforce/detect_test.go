package enforce

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// detecting is a policy that lets in port 80 and looks for scans and floods.
func detecting(t *testing.T, never string) *policy.Policy {
	b := policy.Bans{Size: 1000}
	if never != "" {
		b.Never = addresses(t, never).Set()
	}
	web := policy.Rule{Name: "web", Action: policy.Allow, Scope: in(t, ""), Traffic: tcp(t, 80)}
	quiet := policy.Rule{Name: "quiet", Action: policy.Block, Scope: in(t, ""), Traffic: udp(t, 9)}
	return build(t, standard, policy.Log{Group: 100}, web, quiet).Guarding(b, policy.Detect{
		PortScan: policy.Detector{Over: policy.Rate{Packets: 5, Per: time.Minute}, Ban: time.Hour},
		SYNFlood: policy.Detector{Over: policy.Rate{Packets: 10, Per: time.Second}, Ban: time.Hour},
	})
}

func TestPortScansAreBanned(t *testing.T) {
	for _, c := range []struct {
		what   string
		never  string
		packet func(i int) hosts.Packet
		n      int
		banned string
		// counted says that all must have come to the default.
		counted bool
	}{
		{"six ports", "", func(i int) hosts.Packet { return to(6, uint16(1000+i)) }, 6, "192.0.2.7/32 1h0m0s", false},
		{"of IPv6, from one /64", "", func(i int) hosts.Packet {
			p := to6(6, uint16(1000+i))
			p.Source = netip.MustParseAddr("2001:db8:5:6::").Next()
			for range i {
				p.Source = p.Source.Next()
			}
			return p
		}, 6, "2001:db8:5:6::/64 1h0m0s", false},
		{"of two protocols", "", func(i int) hosts.Packet { return to([]uint8{6, 17}[i%2], uint16(1000+i/2)) }, 6, "192.0.2.7/32 1h0m0s", false},
		{"five ports", "", func(i int) hosts.Packet { return to(6, uint16(1000+i)) }, 5, "", false},
		{"one port", "", func(int) hosts.Packet { return to(6, 1000) }, 50, "", false},
		{"one port of a rule", "", func(int) hosts.Packet { return to(17, 9) }, 50, "", false},
		{"a port that is open", "", func(i int) hosts.Packet { p := to(6, 80); p.SourcePort = uint16(5000 + i); return p }, 9, "", false},
		{"late answers", "", func(i int) hosts.Packet { p := to(17, uint16(1000+i)); p.SourcePort = 53; return p }, 50, "", false},
		{"no ports", "", func(int) hosts.Packet { return to(99, 0) }, 20, "", false},
		{"from one each", "", func(i int) hosts.Packet {
			p := to(6, uint16(1000+i))
			p.Source = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			return p
		}, 50, "", false},
		{"from who is never banned", "192.0.2.0/29 192.0.2.100-192.0.2.102", func(i int) hosts.Packet { return to(6, uint16(1000+i)) }, 20, "", false},
		{"from who is never banned, of IPv6", "2001:db8::ffff", func(i int) hosts.Packet { return to6(6, uint16(1000+i)) }, 20, "", false},
		{"from this machine's own address", "", func(i int) hosts.Packet { p := to(6, uint16(1000+i)); p.Source = local4; return p }, 20, "", true},
	} {
		t.Run(c.what, func(t *testing.T) {
			g := newGround(t, TableOptions{})
			// What has an own address of this machine for its source is dropped elsewhere, unless it is asked to be let in.
			for _, name := range []string{"net/ipv4/conf/all/accept_local", "net/ipv4/conf/eth0/accept_local"} {
				if err := g.local.Sysctl(name, "1"); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"net/ipv4/conf/all/rp_filter", "net/ipv4/conf/eth0/rp_filter"} {
				if err := g.local.Sysctl(name, "0"); err != nil {
					t.Fatal(err)
				}
			}
			g.apply(detecting(t, c.never))
			for i := range c.n {
				if err := g.injector.Send(c.packet(i).Bytes()); err != nil {
					t.Fatal(err)
				}
			}
			// The last is through once another is counted.
			want := "default/in"
			other := to(6, 7)
			other.Source = netip.MustParseAddr("203.0.113.99")
			if got := g.decided(other, want); got != want {
				t.Fatalf("%s decided", got)
			}
			if n := g.readings()["default/in"].Packets; c.counted && n < uint64(c.n) {
				t.Errorf("%d packets came, of %d", n, c.n)
			}
			got := banned(t, g.table)
			if c.banned == "" && len(got) > 0 || c.banned != "" && !slices.Equal(got, []string{c.banned}) {
				t.Errorf("banned are %q, want %q", got, c.banned)
			}
		})
	}
}

// What is counted stays over a reload, and is told.
func TestKnocksAndHalfOpenConnections(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(detecting(t, ""))
	for i := range 3 {
		g.decided(to(6, uint16(1000+i)), "default/in")
		g.decided(to6(17, uint16(2000+i)), "default/in")
	}
	g.apply(detecting(t, "203.0.113.7"))
	four, six := remotes("192.0.2.7")[0], remotes("2001:db8::7")[0]
	got, err := g.table.Knocks(t.Context(), map[netip.Prefix]bool{four: true, six: true})
	if err != nil || len(got[four]) != 3 || len(got[six]) != 3 || !slices.Contains(got[four], Knock{policy.TCP, 1002}) || !slices.Contains(got[six], Knock{policy.UDP, 2000}) {
		t.Errorf("%v, %v", got, err)
	}
	for i := range 3 {
		g.decided(to(6, uint16(3000+i)), "default/in")
	}
	if got := banned(t, g.table); len(got) != 1 {
		t.Errorf("banned are %q", got)
	}
	if err := g.table.Pardon(t.Context(), []netip.Prefix{four}, time.Hour); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		g.decided(to(6, uint16(4000+i)), "default/in")
	}
	if got := banned(t, g.table); len(got) != 0 {
		t.Errorf("pardoned, and banned are %q", got)
	}
	for _, make := range []func(uint8, uint16) hosts.Packet{to, to6} {
		for i := range 7 {
			p := make(6, 80)
			p.SourcePort = uint16(5000 + i)
			g.decided(p, "rule/web")
		}
	}
	// Each has its answer, a reset by who did not ask; so some are let listen.
	for _, r := range []netip.Prefix{four, six} {
		if _, err := g.table.HalfOpen(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	if n, err := g.table.HalfOpen(t.Context(), remotes("203.0.113.9")[0]); n != 0 || err != nil {
		t.Errorf("%d of who sent nothing, %v", n, err)
	}
}
