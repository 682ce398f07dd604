package enforce

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// dark is how long nothing must pass.
const dark = 300 * time.Millisecond

func TestPanicOnTheWire(t *testing.T) {
	g := newGround(t, TableOptions{})
	everything := build(t, policy.Defaults{Inbound: policy.Allow, Outbound: policy.Allow}, logging,
		policy.Rule{Name: "all", Action: policy.Allow, Scope: policy.Both{}})
	g.apply(everything)
	open := []*hosts.Stream{
		stream(t, g.remote, g.local, "192.0.2.10:80"), stream(t, g.local, g.remote, "[2001:db8::7]:80"),
		stream(t, g.local, g.local, "192.0.2.10:81"), stream(t, g.local, g.local, "[::1]:81"),
	}
	for _, s := range open {
		if err := s.Alive(patience); err != nil {
			t.Fatal(err)
		}
	}
	before := g.readings()["rule/all"]
	g.apply(everything.InPanic())

	for i, s := range open {
		if lives := s.Alive(dark) == nil; lives != (i >= 2) {
			t.Errorf("stream %d lives: %t", i, lives)
		}
	}
	icmp := func(p hosts.Packet, kind uint8) hosts.Packet { p.Type, p.ID = kind, 7; return p }
	from := func(p hosts.Packet, source, destination uint16) hosts.Packet {
		p.SourcePort, p.DestinationPort = source, destination
		return p
	}
	for _, c := range []struct {
		what   string
		packet hosts.Packet
	}{
		{"TCP", to(6, 1001)}, {"TCP over IPv6", to6(6, 1001)}, {"UDP", to(17, 53)}, {"UDP over IPv6", to6(17, 53)},
		{"ping", icmp(to(1, 0), 8)}, {"ping over IPv6", icmp(to6(58, 0), 128)}, {"an odd protocol", to(99, 0)}, {"SCTP", to(132, 9)},
		{"neighbour discovery", icmp(to6(58, 0), 136)}, {"IGMP", to(2, 0)}, {"DHCP", from(to(17, 0), 67, 68)}, {"DHCPv6", from(to6(17, 0), 547, 546)},
		{"TCP without SYN", hosts.Packet{Protocol: 6, Source: remote4, Destination: local4, SourcePort: 1, DestinationPort: 2, Flags: hosts.ACK}},
	} {
		// The streams that are open go on sending, and nothing else does that is dropped; so it is asked whether it arrives.
		if got := g.decided(c.packet, "always/panic"); got != "always/panic" {
			t.Errorf("%s: decided by %s", c.what, got)
		}
		if g.passes(c.packet, false) {
			t.Errorf("%s arrives", c.what)
		}
	}
	for _, address := range []string{"192.0.2.7:82", "[2001:db8::7]:82"} {
		l, err := g.remote.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		closing(t, l.Close)
		if c, err := g.local.Dial("tcp", address, dark); err == nil {
			closing(t, c.Close)
			t.Errorf("a connection to %s opens", address)
		}
	}
	if err := g.local.Ping(local4, remote4, dark); err == nil {
		t.Error("ping goes out")
	}
	if err := g.local.Ping(local4, local4, patience); err != nil {
		t.Errorf("this machine does not reach itself: %v", err)
	}

	g.apply(everything)
	for i, s := range open {
		if err := s.Alive(patience); err != nil {
			t.Errorf("stream %d is gone after it: %v", i, err)
		}
	}
	c, err := g.table.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Rules["all"].Packets < before.Packets {
		t.Errorf("rule all counted %d before and %d after: the panic took its counter", before.Packets, c.Rules["all"].Packets)
	}
	if _, there := g.readings()["always/panic"]; there {
		t.Error("the counter of the panic stays")
	}
}

// Traffic that the policy does not look at passes through this machine all the same; not in a panic.
func TestPanicStopsWhatPassesThrough(t *testing.T) {
	for name, forward := range map[string]policy.Forwarding{"ignored": {}, "allowed": policy.ForwardBy(policy.Allow)} {
		t.Run(name, func(t *testing.T) {
			left, router, right := hosts.Routed(t)
			table := open(t, router, TableOptions{})
			p := build(t, policy.Defaults{Inbound: policy.Allow, Outbound: policy.Allow, Forward: forward}, policy.Log{Group: 7})
			apply(t, table, p)
			streams := []*hosts.Stream{stream(t, left, right, "198.51.100.2:80"), stream(t, left, right, "[2001:db8:2::2]:80")}
			l, err := right.Listen("tcp", "198.51.100.2:81")
			if err != nil {
				t.Fatal(err)
			}
			closing(t, l.Close)
			apply(t, table, p.InPanic())
			for i, s := range streams {
				if s.Alive(dark) == nil {
					t.Errorf("stream %d passes through", i)
				}
			}
			var late net.Error
			if c, err := left.Dial("tcp", "198.51.100.2:81", dark); err == nil {
				closing(t, c.Close)
				t.Error("a connection opens through it")
			} else if !errors.As(err, &late) || !late.Timeout() {
				t.Error(err)
			}
			counters, err := table.Counters(t.Context())
			if err != nil || counters.Always[policy.Panic].Packets == 0 {
				t.Errorf("counted %+v, %v", counters.Always, err)
			}
			apply(t, table, p)
			for i, s := range streams {
				if err := s.Alive(patience); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("stream %d is gone after it: %v", i, err)
				}
			}
		})
	}
}
