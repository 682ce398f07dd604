package enforce

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

var allowing = policy.Defaults{Inbound: policy.Allow, Outbound: policy.Allow}

// find gives the connection of a destination port, once conntrack has it.
func find(t testing.TB, table *Table, p policy.Protocol, port uint16) Connection {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		list, err := table.Connections(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			// Conntrack takes the first packet that it sees of a connection for the one that opened it.
			if c.Protocol == p && (c.Destination.Port() == port || c.Source.Port() == port) {
				return c
			}
		}
	}
	t.Fatalf("no connection to %s port %d", p, port)
	return Connection{}
}

func stream(t testing.TB, from, to *hosts.Host, address string) *hosts.Stream {
	t.Helper()
	s, err := hosts.OpenStream(from, to, address)
	if err != nil {
		t.Fatal(err)
	}
	// What a cut did to it is no error of the test's.
	t.Cleanup(func() { s.Close() })
	return s
}

func TestCutEndsAConnectionAndUncutLetsItGoOn(t *testing.T) {
	for _, address := range []string{"192.0.2.10:5001", "[2001:db8::10]:5001"} {
		g := newGround(t, TableOptions{})
		p := build(t, allowing, policy.Log{Group: 7})
		g.apply(p)
		s := stream(t, g.remote, g.local, address)
		other := stream(t, g.remote, g.local, address[:len(address)-1]+"2")
		c := find(t, g.table, policy.TCP, 5001)
		if c.Direction != policy.In {
			t.Errorf("direction %s, want in", c.Direction)
		}
		if err := g.table.Cut(t.Context(), []Connection{c}); err != nil {
			t.Fatal(err)
		}
		if err := s.Alive(300 * time.Millisecond); err == nil {
			t.Error("lives on after it was cut")
		}
		if err := other.Alive(patience); err != nil {
			t.Errorf("another connection: %v", err)
		}
		// Over a reload, and cut once more: its stay is renewed.
		g.apply(p)
		if err := g.table.Cut(t.Context(), []Connection{c, c}); err != nil {
			t.Error(err)
		}
		cuts, err := g.table.Cuts(t.Context())
		if err != nil || len(cuts) != 1 || cuts[0] != c.Tuple {
			t.Errorf("cuts %v, %v, want %v", cuts, err, c.Tuple)
		}
		counts, err := g.table.Counters(t.Context())
		if err != nil || counts.Cut.Packets == 0 {
			t.Errorf("%d packets of it were counted, %v", counts.Cut.Packets, err)
		}
		if err := g.table.Uncut(t.Context(), append(cuts, Tuple{policy.TCP, c.Destination, c.Destination})); err != nil {
			t.Fatal(err)
		}
		if cuts, err := g.table.Cuts(t.Context()); len(cuts) > 0 || err != nil {
			t.Errorf("cuts %v, %v after all were taken back", cuts, err)
		}
	}
}

// A server that goes on sending must not open the connection anew, as one that goes out.
func TestCutHoldsAgainstTheServer(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, allowing, policy.Log{Group: 7}))
	server, err := g.local.ListenPacket("udp", "192.0.2.10:53")
	if err != nil {
		t.Fatal(err)
	}
	closing(t, server.Close)
	client, err := g.remote.Dial("udp", "192.0.2.10:53", patience)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, client.Close)
	if _, err := client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	_, from, err := server.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	reach := func(should bool) bool {
		t.Helper()
		drain(g.answered)
		if _, err := server.WriteTo([]byte("answer"), from); err != nil && should {
			t.Fatal(err)
		}
		return g.answer(should, func(p hosts.Packet) bool { return p.Protocol == 17 && p.SourcePort == 53 })
	}
	if !reach(true) {
		t.Fatal("no answer before the cut")
	}
	g.apply(build(t, standard, policy.Log{Group: 7}))
	if err := g.table.Cut(t.Context(), []Connection{find(t, g.table, policy.UDP, 53)}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if reach(false) {
			t.Error("the server's packet went out after the cut")
		}
	}
}

func drain[T any](c chan T) {
	for {
		select {
		case <-c:
		default:
			return
		}
	}
}

func TestKeepLetsAnOlderConnectionGoOn(t *testing.T) {
	g := newGround(t, TableOptions{})
	s := stream(t, g.remote, g.local, "192.0.2.10:5001")
	if err := s.Alive(patience); err != nil {
		t.Fatal(err)
	}
	// Its client's port, from a socket list: conntrack has not seen it.
	client := clientPort(t, g.remote)
	tuple := Tuple{policy.TCP, netip.AddrPortFrom(remote4, client), netip.AddrPortFrom(local4, 5001)}
	g.apply(build(t, policy.Defaults{Inbound: policy.Block, Outbound: policy.Block}, policy.Log{Group: 7}))
	if err := g.table.Keep(t.Context(), []Tuple{tuple}); err != nil {
		t.Fatal(err)
	}
	if err := s.Alive(patience); err != nil {
		t.Errorf("kept: %v", err)
	}
	if c := find(t, g.table, policy.TCP, 5001); c.Tuple != tuple && c.Tuple != tuple.Reversed() {
		t.Errorf("conntrack learned of %v, want %v", c.Tuple, tuple)
	}
}

func TestKeepLetsNothingNewIn(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, policy.Defaults{Inbound: policy.Block, Outbound: policy.Block}, policy.Log{Group: 7}))
	var kept []Tuple
	for _, p := range []hosts.Packet{to(6, 22), to6(6, 22), to(17, 53), to6(17, 53), to(132, 53)} {
		kept = append(kept, Tuple{policy.Protocol(p.Protocol), netip.AddrPortFrom(p.Source, p.SourcePort), netip.AddrPortFrom(p.Destination, p.DestinationPort)})
	}
	if err := g.table.Keep(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	ack := func(p hosts.Packet) hosts.Packet { p.Flags = hosts.ACK; return p }
	for _, c := range []struct {
		what    string
		packet  hosts.Packet
		decided string
	}{
		{"a SYN", to(6, 22), "default/in"},
		{"a SYN in IPv6", to6(6, 22), "default/in"},
		{"TCP that is under way", ack(to(6, 22)), "connections/kept"},
		{"TCP that is under way in IPv6", ack(to6(6, 22)), "connections/kept"},
		{"other TCP that is under way", ack(to(6, 23)), "always/invalid"},
		{"UDP", to(17, 53), "connections/kept"},
		{"UDP in IPv6", to6(17, 53), "connections/kept"},
		{"other UDP", to(17, 54), "default/in"},
		{"SCTP", to(132, 53), "default/in"},
	} {
		if got := g.decided(c.packet, c.decided); got != c.decided {
			t.Errorf("%s: %s decided, want %s", c.what, got, c.decided)
		}
	}
}

// clientPort is the port of the one TCP connection that a host has.
func clientPort(t testing.TB, h *hosts.Host) uint16 {
	t.Helper()
	out, err := h.Command("ss", "-Htn", "state", "established").CombinedOutput()
	if err != nil {
		t.Fatalf("ss: %s", out)
	}
	for _, word := range strings.Fields(string(out)) {
		if p, err := netip.ParseAddrPort(word); err == nil {
			return p.Port()
		}
	}
	t.Fatalf("no connection: %s", out)
	return 0
}

func TestConnectionsAreJudgedByTheAddressesThatRulesSee(t *testing.T) {
	hosts.Need(t, "nft")
	left, router, right := hosts.Routed(t)
	nft(t, router, `table ip nat {
		chain pre { type nat hook prerouting priority -100; ip daddr 192.0.2.1 tcp dport 80 dnat to 198.51.100.2:8080; ip daddr 192.0.2.1 tcp dport 81 redirect to :8081; }
		chain post { type nat hook postrouting priority 100; ip saddr 192.0.2.2 oifname "right" masquerade; }
	}`)
	table := open(t, router, TableOptions{})
	apply(t, table, build(t, policy.Defaults{Inbound: policy.Allow, Outbound: policy.Allow, Forward: policy.ForwardBy(policy.Allow)}, policy.Log{Group: 7}))
	for _, c := range []struct {
		what      string
		from, to  *hosts.Host
		listen    string
		dial      string
		direction policy.Direction
		source    string
		dest      string
	}{
		{"forwarded and translated at both ends", left, right, "198.51.100.2:8080", "192.0.2.1:80", policy.Forward, "192.0.2.2", "198.51.100.2:8080"},
		{"redirected to the machine", left, router, "192.0.2.1:8081", "192.0.2.1:81", policy.In, "192.0.2.2", "192.0.2.1:8081"},
		{"to the machine", left, router, "[2001:db8:1::1]:82", "[2001:db8:1::1]:82", policy.In, "2001:db8:1::2", "[2001:db8:1::1]:82"},
		{"forwarded", left, right, "[2001:db8:2::2]:83", "[2001:db8:2::2]:83", policy.Forward, "2001:db8:1::2", "[2001:db8:2::2]:83"},
		{"from the machine", router, right, "198.51.100.2:84", "198.51.100.2:84", policy.Out, "198.51.100.1", "198.51.100.2:84"},
		{"inside the machine", router, router, "127.0.0.1:85", "127.0.0.1:85", 0, "127.0.0.1", "127.0.0.1:85"},
		{"inside the machine by its own address", router, router, "192.0.2.1:86", "192.0.2.1:86", 0, "192.0.2.1", "192.0.2.1:86"},
	} {
		t.Run(c.what, func(t *testing.T) {
			l, err := c.to.Listen("tcp", c.listen)
			if err != nil {
				t.Fatal(err)
			}
			closing(t, l.Close)
			conn, err := c.from.Dial("tcp", c.dial, patience)
			if err != nil {
				t.Fatal(err)
			}
			closing(t, conn.Close)
			want := netip.MustParseAddrPort(c.dest)
			got := find(t, table, policy.TCP, want.Port())
			if got.Direction != c.direction || got.Source.Addr() != netip.MustParseAddr(c.source) || got.Destination != want {
				t.Errorf("direction %d from %s to %s, want %d from %s to %s", got.Direction, got.Source, got.Destination, c.direction, c.source, c.dest)
			}
			if c.direction != policy.Forward {
				return
			}
			// And what is cut is what its packets bear here.
			if err := table.Cut(t.Context(), []Connection{got}); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				counts, err := table.Counters(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if counts.Cut.Packets > 0 {
					break
				}
				if time.Now().After(end) {
					t.Fatal("its packets are not cut")
				}
			}
			if err := table.Uncut(t.Context(), []Tuple{got.Tuple}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFlowOfAConnection(t *testing.T) {
	rule := policy.Rule{Name: "r", Action: policy.Block, Scope: policy.Outbound{Users: []policy.Account{{ID: 5}}}, Traffic: tcp(t, 25)}
	link := policy.Rule{Name: "l", Action: policy.Block, Scope: policy.Inbound{Ends: policy.Ends{Interfaces: interfaces(t, "eth0")}}, Traffic: tcp(t, 26)}
	sure := policy.Rule{Name: "s", Action: policy.Block, Scope: policy.Both{Ends: policy.Ends{Remote: addresses(t, "192.0.2.7")}}, Traffic: tcp(t, 27)}
	ping := policy.Rule{Name: "p", Action: policy.Block, Scope: in(t, ""), Traffic: policy.OfICMPTypes{V4: []uint8{8}}}
	p := build(t, allowing, logging, rule, link, sure, ping)
	for _, c := range []struct {
		what    string
		c       Connection
		refused bool
	}{
		{"user not known", Connection{Direction: policy.Out, Tuple: Tuple{policy.TCP, netip.MustParseAddrPort("192.0.2.10:4000"), netip.MustParseAddrPort("192.0.2.7:25")}}, false},
		{"interface not known", Connection{Direction: policy.In, Tuple: Tuple{policy.TCP, netip.MustParseAddrPort("192.0.2.7:4000"), netip.MustParseAddrPort("192.0.2.10:26")}}, false},
		{"surely refused, in", Connection{Direction: policy.In, Tuple: Tuple{policy.TCP, netip.MustParseAddrPort("192.0.2.7:4000"), netip.MustParseAddrPort("192.0.2.10:27")}}, true},
		{"surely refused, out", Connection{Direction: policy.Out, Tuple: Tuple{policy.TCP, netip.MustParseAddrPort("192.0.2.10:4000"), netip.MustParseAddrPort("192.0.2.7:27")}}, true},
		{"another remote", Connection{Direction: policy.In, Tuple: Tuple{policy.TCP, netip.MustParseAddrPort("192.0.2.8:4000"), netip.MustParseAddrPort("192.0.2.10:27")}}, false},
		{"ping", Connection{Direction: policy.In, ICMPType: 8, Tuple: Tuple{policy.ICMP, netip.MustParseAddrPort("192.0.2.8:0"), netip.MustParseAddrPort("192.0.2.10:0")}}, true},
		{"timestamp", Connection{Direction: policy.In, ICMPType: 13, Tuple: Tuple{policy.ICMP, netip.MustParseAddrPort("192.0.2.8:0"), netip.MustParseAddrPort("192.0.2.10:0")}}, false},
	} {
		f := c.c.Flow()
		f.Time = policy.Known(now)
		if _, refused := p.Refused(f); refused != c.refused {
			t.Errorf("%s: refused %t, want %t", c.what, refused, c.refused)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(Tuple{policy.TCP, netip.MustParseAddrPort("192.0.2.8:1"), netip.MustParseAddrPort("192.0.2.10:2")}.key())
	f.Add(Tuple{policy.UDP, netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[::]:65535")}.key())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, family := range policy.Families {
			tuple, err := parseKey(b, family)
			if err != nil {
				continue
			}
			again, err := parseKey(tuple.key(), family)
			if err != nil || again != tuple {
				t.Errorf("%v, %v, want %v", again, err, tuple)
			}
		}
	})
}

func FuzzParseTracked(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{28, 0, 0, 0, 5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 7})
	f.Add([]byte{28, 0, 0, 0, 5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1, 0, 0, 0, 0, 7})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if n, err := parseTracked(answer); err != nil && n != 0 {
			t.Errorf("%d and %v", n, err)
		}
	})
}

func TestParseTracked(t *testing.T) {
	n, err := parseTracked([]byte{28, 0, 0, 0, 5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 7})
	if n != 7 || err != nil {
		t.Errorf("%d, %v, want 7", n, err)
	}
}
