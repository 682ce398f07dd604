package procs

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

func TestAcceptedByRule(t *testing.T) {
	listening := func(f Family, local string) Socket { return socket(TCP, f, Listen, local, "[::]:0") }
	bound := func(s Socket, device uint32) Socket { s.Device = device; return s }
	only := func(s Socket) Socket { s.V6Only = true; return s }
	v4 := func(local string) Socket { return socket(TCP, IPv4, Established, local, "203.0.113.7:40312") }
	v6 := func(local string) Socket { return socket(TCP, IPv6, Established, local, "[2001:db8::7]:40312") }
	for _, c := range []struct {
		name     string
		listener Socket
		s        Socket
		want     bool
	}{
		{"any address", listening(IPv4, "0.0.0.0:22"), v4("192.0.2.1:22"), true},
		{"its address", listening(IPv4, "192.0.2.1:22"), v4("192.0.2.1:22"), true},
		{"another address", listening(IPv4, "192.0.2.2:22"), v4("192.0.2.1:22"), false},
		{"another port", listening(IPv4, "0.0.0.0:2222"), v4("192.0.2.1:22"), false},
		{"IPv6, any address", listening(IPv6, "[::]:22"), v6("[2001:db8::1]:22"), true},
		{"IPv6, its address", listening(IPv6, "[2001:db8::1]:22"), v6("[2001:db8::1]:22"), true},
		{"IPv6, another address", listening(IPv6, "[2001:db8::2]:22"), v6("[2001:db8::1]:22"), false},
		{"IPv6 only, IPv6", only(listening(IPv6, "[::]:22")), v6("[2001:db8::1]:22"), true},
		{"dual-stack, IPv4 in an IPv6 socket", listening(IPv6, "[::]:22"), v6("192.0.2.1:22"), true},
		{"IPv6 only, IPv4 in an IPv6 socket", only(listening(IPv6, "[::]:22")), v6("192.0.2.1:22"), false},
		{"dual-stack, a plain IPv4 socket", listening(IPv6, "[::]:22"), v4("192.0.2.1:22"), false},
		{"mapped address", listening(IPv6, "192.0.2.1:22"), v6("192.0.2.1:22"), true},
		{"mapped any address, IPv4", listening(IPv6, "0.0.0.0:22"), v6("192.0.2.1:22"), true},
		{"mapped any address, IPv6", listening(IPv6, "0.0.0.0:22"), v6("[2001:db8::1]:22"), false},
		{"its device", bound(listening(IPv4, "0.0.0.0:22"), 2), bound(v4("192.0.2.1:22"), 2), true},
		{"another device", bound(listening(IPv4, "0.0.0.0:22"), 2), bound(v4("192.0.2.1:22"), 3), false},
		{"bound listener, free connection", bound(listening(IPv4, "0.0.0.0:22"), 2), v4("192.0.2.1:22"), false},
		{"link-local", listening(IPv6, "[::]:22"), bound(v6("[fe80::1]:22"), 2), true},
		{"no listener", socket(UDP, IPv4, Close, "0.0.0.0:22", "0.0.0.0:0"), v4("192.0.2.1:22"), false},
		{"UDP", listening(IPv4, "0.0.0.0:22"), socket(UDP, IPv4, Established, "192.0.2.1:22", "203.0.113.7:9"), false},
		{"the listener itself", listening(IPv4, "0.0.0.0:22"), listening(IPv4, "0.0.0.0:22"), false},
	} {
		by, got := NewListeners([]Socket{c.listener}).Accepted(c.s)
		if got != c.want || got && by != c.listener {
			t.Errorf("%s: accepted %t by %+v, want %t", c.name, got, by, c.want)
		}
	}
}

func TestAcceptedOfRealConnections(t *testing.T) {
	local, remote := hosts.Pair(t)
	for _, c := range []struct{ network, listen, dial string }{
		{"tcp4", "0.0.0.0:0", "192.0.2.10"},
		{"tcp4", "192.0.2.10:0", "192.0.2.10"},
		{"tcp6", "[::]:0", "2001:db8::10"},
		{"tcp6", "[2001:db8::10]:0", "2001:db8::10"},
		{"tcp", "[::]:0", "192.0.2.10"},
		{"tcp", "[::]:0", "2001:db8::10"},
		{"tcp6", "[::]:0", linkLocal(t, local)},
	} {
		l := listen(t, local, c.network, c.listen)
		dialed, err := remote.Dial("tcp", at(l, c.dial), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		taken, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		sockets := list(t, local)
		by, ok := NewListeners(sockets).Accepted(find(t, sockets, taken))
		if !ok || by.Inode != inode(t, l) {
			t.Errorf("%s to %s: taken for opened here", c.dial, l.Addr())
		}
		sockets = list(t, remote)
		if by, ok := NewListeners(sockets).Accepted(find(t, sockets, dialed)); ok {
			t.Errorf("%s to %s: taken for come in by %s", c.dial, l.Addr(), by)
		}
		for _, closer := range []interface{ Close() error }{dialed, taken, l} {
			if err := closer.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// linkLocal is the link-local address of the host's eth0, with its zone as the
// other end of the cable names it. The kernel gives it a moment after the cable is in.
func linkLocal(t *testing.T, h *hosts.Host) string {
	t.Helper()
	for range 500 {
		if address := linkLocalNow(t, h); address != "" {
			return address
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("eth0 has no link-local address")
	return ""
}

func linkLocalNow(t *testing.T, h *hosts.Host) (address string) {
	t.Helper()
	err := h.Do(func() error {
		i, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		addrs, err := i.Addrs()
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if p := netip.MustParsePrefix(a.String()); p.Addr().IsLinkLocalUnicast() {
				address = p.Addr().WithZone("eth0").String()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return address
}
