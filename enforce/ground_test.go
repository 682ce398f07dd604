package enforce

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
	"pfw/enforce/nflog"
)

// patience is how long a test waits for what must come, unrest how long for what must not.
const patience, unrest = 10 * time.Second, 20 * time.Millisecond

var (
	local4, remote4 = netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.7")
	local6, remote6 = netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8::7")
)

// ground is where packets are tried: a host with the table, and a neighbour that sends it packets and sees the answers.
type ground struct {
	t             testing.TB
	local, remote *hosts.Host
	table         *Table
	injector      *hosts.Injector
	arrived       chan hosts.Packet // at the local host, behind its firewall
	answered      chan hosts.Packet // at the remote host
	logged        chan Tag
}

func newGround(t testing.TB, o TableOptions) *ground {
	t.Helper()
	g := &ground{t: t, arrived: make(chan hosts.Packet, 1000), answered: make(chan hosts.Packet, 1000), logged: make(chan Tag, 1000)}
	g.local, g.remote = hosts.Pair(t)
	g.table = open(t, g.local, o)
	g.injector = hosts.Inject(t, g.remote, g.local)
	for _, a := range []struct {
		six      bool
		protocol uint8
	}{{false, 6}, {false, 17}, {false, 1}, {false, 2}, {false, 132}, {false, 99}, {true, 6}, {true, 17}, {true, 58}, {true, 99}} {
		tap, err := g.local.Arrivals(a.six, a.protocol, func(p hosts.Packet) { offer(g.arrived, p) })
		if err != nil {
			t.Fatal(err)
		}
		closing(t, tap.Close)
	}
	tap, err := g.remote.Capture(func(_ int, b []byte) {
		if p, ok := hosts.ReadPacket(b); ok {
			offer(g.answered, p)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, tap.Close)
	g.listen(logging.Group)
	g.listen(logging.Group + 1)
	return g
}

// listen reads a group's tags.
func (g *ground) listen(group uint16) {
	var r *nflog.Reader
	if err := g.local.Do(func() (err error) { r, err = nflog.Open(group, slog.New(slog.DiscardHandler)); return err }); err != nil {
		g.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- r.Run(context.Background(), func(m *nflog.Message) {
			if _, ok := ParseSeen(m.Prefix); ok {
				return
			}
			tag, err := ParseTag(m.Prefix)
			if err != nil {
				g.t.Error(err)
			}
			offer(g.logged, tag)
		})
	}()
	closing(g.t, func() error {
		if err := r.Close(); err != nil {
			return err
		}
		return <-ended
	})
}

// offer drops what nobody looks at, as a tap that waits cannot be closed.
func offer[T any](c chan T, v T) {
	select {
	case c <- v:
	default:
	}
}

func closing(t testing.TB, f func() error) {
	t.Cleanup(func() {
		if err := f(); err != nil {
			t.Error(err)
		}
	})
}

func (g *ground) apply(p *policy.Policy) Applied {
	g.t.Helper()
	return apply(g.t, g.table, p)
}

// to makes a packet from the remote host to the local one.
func to(protocol uint8, port uint16) hosts.Packet {
	return hosts.Packet{Protocol: protocol, Source: remote4, Destination: local4, SourcePort: 4000, DestinationPort: port, Flags: hosts.SYN}
}

func to6(protocol uint8, port uint16) hosts.Packet {
	p := to(protocol, port)
	p.Source, p.Destination = remote6, local6
	return p
}

func (g *ground) readings() map[string]Counter {
	g.t.Helper()
	g.table.mu.Lock()
	defer g.table.mu.Unlock()
	got := snapshot{counters: map[string]Counter{}}
	if err := g.table.socket.readCounters(&got); err != nil {
		g.t.Fatal(err)
	}
	return got.counters
}

// noise is what also counts packets that the test did not send: of neighbours that look for each other, answers, and what the
// host tells itself by loopback of answers that found no neighbour, three seconds later.
var noise = []string{"always/loopback", "always/icmpv6", "always/igmp", "always/established", "default/out"}

// decided sends a packet from the remote host and gives the counter that it went into; noise only where it is expected.
func (g *ground) decided(p hosts.Packet, expected string) string {
	g.t.Helper()
	before := g.readings()
	if err := g.injector.Send(p.Bytes()); err != nil {
		g.t.Fatal(err)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for name, now := range g.readings() {
			plain := !strings.HasPrefix(name, overCounter) && !strings.HasPrefix(name, sentCounter)
			if now.Packets > before[name].Packets && (plain && !slices.Contains(noise, name) || name == expected) {
				return name
			}
		}
	}
	return "nothing"
}

// passes tells whether the packet is delivered. It has been decided.
func (g *ground) passes(p hosts.Packet, should bool) bool {
	return waitFor(g.arrived, should, func(got hosts.Packet) bool {
		return got.Protocol == p.Protocol && got.Source == p.Source && got.DestinationPort == p.DestinationPort && got.Type == p.Type
	})
}

func (g *ground) answer(should bool, is func(hosts.Packet) bool) bool {
	return waitFor(g.answered, should, is)
}

func (g *ground) tag(should bool, want Tag) bool {
	return waitFor(g.logged, should, func(got Tag) bool { return got == want })
}

func waitFor[T any](c chan T, should bool, is func(T) bool) bool {
	limit := unrest
	if should {
		limit = patience
	}
	timeout := time.After(limit)
	for {
		select {
		case got := <-c:
			if is(got) {
				return true
			}
		case <-timeout:
			return false
		}
	}
}
