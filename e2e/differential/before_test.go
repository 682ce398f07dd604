package differential

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// early waits until packets are dropped before conntrack, or are not.
func early(t *testing.T, d *hosts.Daemon, want bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		script, err := d.Pfw("show", "--nft")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(script, "hook prerouting") == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("dropped before conntrack is not %t:\n%s", want, script)
		}
	}
}

// All around is listed: the router, whoever gives out addresses, and neighbours.
const allListed = `
[default]
inbound = "allow"
[list.all]
entries = ["203.0.113.0/24", "192.0.2.1", "fe80::/10", "2001:db8:bad::/48"]
[[rule]]
name = "all"
action = "block"
direction = "both"
remote = "@all"
` + logged

// What is always in force, and what belongs to a connection with somebody else, is not held against who is listed before
// conntrack either.
func TestListedOpeningsAloneAreDroppedBeforeConntrack(t *testing.T) {
	g := newGate(t, allListed, 2, 17)
	early(t, g.daemon, true)
	c, err := g.local.Dial("udp", "192.0.2.7:9", patience)
	g.must(err)
	defer c.Close()
	_, err = c.Write([]byte("anybody?"))
	g.must(err)
	from := c.LocalAddr().(*net.UDPAddr).AddrPort()
	quoted := hosts.Packet{Protocol: 17, Source: from.Addr(), Destination: there4, SourcePort: from.Port(), DestinationPort: 9, Payload: []byte("anybody?")}
	listed4, listed6 := addresses("203.0.113.1")[0], addresses("2001:db8:bad::1")[0]
	send := func(p hosts.Packet) { t.Helper(); g.must(g.injector.Send(p.Bytes())) }
	// "Host unreachable", from a router that is listed.
	send(hosts.Packet{Protocol: 1, Type: 3, Code: 3, Source: listed4, Destination: here4, Payload: quoted.Bytes()})
	g.must(c.SetReadDeadline(time.Now().Add(patience)))
	if _, err := c.Read(make([]byte, 9)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want connection refused: an error from a listed router belongs to the connection", err)
	}
	send(hosts.Packet{Protocol: 17, Source: addresses("192.0.2.1")[0], Destination: here4, SourcePort: 67, DestinationPort: 68})
	send(hosts.Packet{Protocol: 17, Source: addresses("fe80::1")[0], Destination: here6, SourcePort: 547, DestinationPort: 546})
	g.reaches("dhcp", 2)
	send(hosts.Packet{Protocol: 2, Source: listed4, Destination: addresses("224.0.0.1")[0], Payload: make([]byte, 8)})
	for deadline := time.Now().Add(patience); g.count("igmp") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("igmp of who is listed does not come in")
		}
	}
	// No connection opens, and none is open.
	for i, flags := range []uint8{hosts.ACK, hosts.RST, hosts.SYN | hosts.ACK, hosts.FIN | hosts.ACK} {
		send(hosts.Packet{Protocol: 6, Source: listed4, Destination: here4, SourcePort: uint16(3000 + i), DestinationPort: 22, Flags: flags})
	}
	send(hosts.Packet{Protocol: 58, Type: 129, Source: listed6, Destination: here6})
	g.reaches("invalid", 5)
	g.reaches("all", 0)
	send(hosts.Packet{Protocol: 6, Source: listed4, Destination: here4, SourcePort: 4000, DestinationPort: 22, Flags: hosts.SYN})
	send(hosts.Packet{Protocol: 17, Source: listed6, Destination: here6, SourcePort: 4001, DestinationPort: 68})
	send(hosts.Packet{Protocol: 1, Type: 8, Source: listed4, Destination: here4})
	// Its first piece alone has ports.
	for _, f := range fragments(hosts.Packet{Protocol: 17, Source: listed4, Destination: here4, SourcePort: 4002, DestinationPort: 53, Payload: make([]byte, 500)}) {
		g.must(g.injector.Send(f))
	}
	g.reaches("all", 4)
	g.reaches("invalid", 5)
	found := g.waitEntries(4, func(e hosts.Entry) bool { return e.EventType == "drop" && e.PFW.Rule == "all" })
	for _, e := range found {
		if e.Direction != "in" || e.InIface != "eth0" || e.SrcPort == 4002 && e.PacketLen < 500 {
			t.Errorf("entry %s", e.Line)
		}
	}
	if len(found) != 4 {
		t.Errorf("%d entries, want 4", len(found))
	}
}

// Where packets are passed on that pfw does not look at, as to containers, nobody can tell before conntrack for whom one is:
// who is listed and who is banned goes on through, as it does to who asks for the rules. It is noticed when that begins, and
// when it is over.
func TestForwardedPacketsAreNotDroppedBeforeConntrack(t *testing.T) {
	left, router, right := hosts.Routed(t)
	d := hosts.Run(t, router, `
[[rule]]
name = "left"
action = "block"
direction = "both"
remote = ["192.0.2.2", "2001:db8:1::2"]
`+logged)
	if _, err := d.Pfw("ban", "192.0.2.2"); err != nil {
		t.Fatal(err)
	}
	nft(t, router, `table inet nat { chain pre { type nat hook prerouting priority dstnat
		ip daddr 192.0.2.1 tcp dport 8080 dnat ip to 198.51.100.2:80
		ip6 daddr 2001:db8:1::1 tcp dport 8080 dnat ip6 to [2001:db8:2::2]:80
	}
	chain post { type nat hook postrouting priority srcnat
		oifname "left" masquerade
	}
}
`)
	l, err := right.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := left.Listen("tcp", ":81")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	through := func() {
		t.Helper()
		for _, a := range []string{"192.0.2.1:8080", "[2001:db8:1::1]:8080", "198.51.100.2:80", "[2001:db8:2::2]:80"} {
			if c, err := left.Dial("tcp", a, patience); err != nil {
				t.Errorf("%s: %v", a, err)
			} else if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		// The answers are to an address of the router's own.
		for _, a := range []string{"192.0.2.2:81", "[2001:db8:1::2]:81"} {
			if c, err := right.Dial("tcp", a, patience); err != nil {
				t.Errorf("%s: %v", a, err)
			} else if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, a := range []string{"192.0.2.1:22", "[2001:db8:1::1]:22"} {
			if _, err := left.Dial("tcp", a, quick); !isTimeout(err) {
				t.Errorf("%s: %v, want silence", a, err)
			}
		}
	}
	forward := func(to string) {
		t.Helper()
		if err := errors.Join(router.Sysctl("net/ipv4/ip_forward", to), router.Sysctl("net/ipv6/conf/all/forwarding", to)); err != nil {
			t.Fatal(err)
		}
		early(t, d, to == "0")
	}
	early(t, d, false)
	through()
	forward("0")
	if _, err := left.Dial("tcp", "192.0.2.1:8080", quick); !isTimeout(err) {
		t.Errorf("%v, want silence", err)
	}
	forward("1")
	through()
	// Where they are looked at, a ban drops them, and does so early.
	if err := d.Edit("[default]\nforward = \"allow\"\n" + logged); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	early(t, d, true)
	if _, err := left.Dial("tcp", "198.51.100.2:80", quick); !isTimeout(err) {
		t.Errorf("%v, want silence", err)
	}
	if c, err := left.Dial("tcp", "[2001:db8:2::2]:80", patience); err != nil {
		t.Error(err)
	} else if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
