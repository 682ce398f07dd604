package hosts_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pfw/e2e/hosts"
)

// What is injected by one end is captured before the other end's stack, and
// delivered by it.
func TestInjectedPacketsArrive(t *testing.T) {
	local, remote := hosts.Pair(t)
	injector := hosts.Inject(t, remote, local)
	captured, arrived := make(chan hosts.Packet, 100), make(chan hosts.Packet, 100)
	tap, err := local.Capture(func(_ int, b []byte) {
		if p, ok := hosts.ReadPacket(b); ok {
			p.Payload = nil
			captured <- p
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()

	a4, b4 := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("192.0.2.10")
	a6, b6 := netip.MustParseAddr("2001:db8:9::9"), netip.MustParseAddr("2001:db8::10")
	for _, p := range []hosts.Packet{
		{Protocol: 6, Source: a4, Destination: b4, SourcePort: 4000, DestinationPort: 22, Flags: hosts.SYN, Sequence: 7},
		{Protocol: 6, Source: a6, Destination: b6, SourcePort: 4000, DestinationPort: 22, Flags: hosts.SYN, Sequence: 7},
		{Protocol: 17, Source: a4, Destination: b4, SourcePort: 4000, DestinationPort: 53},
		{Protocol: 17, Source: a6, Destination: b6, SourcePort: 4000, DestinationPort: 53},
		{Protocol: 1, Source: a4, Destination: b4, Type: 8, ID: 99},
		{Protocol: 58, Source: a6, Destination: b6, Type: 128, ID: 99},
		{Protocol: 132, Source: a4, Destination: b4, SourcePort: 4000, DestinationPort: 38412},
		{Protocol: 132, Source: a6, Destination: b6, SourcePort: 4000, DestinationPort: 38412},
		{Protocol: 253, Source: a4, Destination: b4},
		{Protocol: 253, Source: a6, Destination: b6},
		{Protocol: 17, Source: a4, Destination: netip.MustParseAddr("192.0.2.255"), SourcePort: 1, DestinationPort: 2},
		{Protocol: 17, Source: a4, Destination: netip.MustParseAddr("224.0.0.1"), SourcePort: 1, DestinationPort: 2},
		{Protocol: 17, Source: a6, Destination: netip.MustParseAddr("ff02::1"), SourcePort: 1, DestinationPort: 2},
	} {
		socket, err := local.Arrivals(p.Source.Is6(), p.Protocol, func(p hosts.Packet) { p.Payload = nil; arrived <- p })
		if err != nil {
			t.Fatal(err)
		}
		full := p
		full.Payload = []byte("odd")
		if err := injector.Send(full.Bytes()); err != nil {
			t.Fatal(err)
		}
		for from, channel := range map[string]chan hosts.Packet{"captured": captured, "arrived": arrived} {
			if got := next(t, channel, p); got == nil {
				t.Errorf("%+v was not %s", p, from)
			} else if diff := cmp.Diff(p, *got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", from, diff)
			}
		}
		if err := socket.Close(); err != nil {
			t.Error(err)
		}
	}
}

// next is the first packet between the ends of p: hosts also discover neighbours.
func next(t *testing.T, c chan hosts.Packet, p hosts.Packet) *hosts.Packet {
	t.Helper()
	timeout := time.After(wait)
	for {
		select {
		case got := <-c:
			if got.Source == p.Source && got.Destination == p.Destination {
				return &got
			}
		case <-timeout:
			return nil
		}
	}
}

func TestFloodEndsAtItsCount(t *testing.T) {
	local, remote := hosts.Pair(t)
	injector := hosts.Inject(t, remote, local)
	arrived := make(chan hosts.Packet, 1000)
	tap, err := local.Arrivals(false, 17, func(p hosts.Packet) { arrived <- p })
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	p := hosts.Packet{Protocol: 17, Source: netip.MustParseAddr("203.0.113.9"), Destination: netip.MustParseAddr("192.0.2.10"), DestinationPort: 9}
	flood := injector.Flood([][]byte{p.Bytes()}, 10000, 500)
	if err := flood.Wait(); err != nil || flood.Sent() != 500 {
		t.Fatalf("sent %d, %v, want 500", flood.Sent(), err)
	}
	for i := range 500 {
		if next(t, arrived, p) == nil {
			t.Fatalf("only %d arrived", i)
		}
	}
}

func TestStreamTellsWhetherItLives(t *testing.T) {
	local, remote := hosts.Pair(t)
	stream, err := hosts.OpenStream(remote, local, "192.0.2.10:5001")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := stream.Alive(wait); err != nil {
		t.Error(err)
	}
	if err := remote.Down("eth0"); err != nil {
		t.Fatal(err)
	}
	if err := stream.Alive(200 * time.Millisecond); err == nil {
		t.Error("alive without a cable")
	}
}
