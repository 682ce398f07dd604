package leak

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) { hosts.Main(m) }

// The flood, and what it is at most should a test hang.
const (
	perSecond = 20_000
	atMost    = 1_000_000
)

// siege is a router under a flood from the left, for itself and for the right:
// packets from 203.0.113.0/24 and 2001:db8:bad::/48, which every policy blocks.
// A stream from the left to the right and one from the right to the router, which
// every policy allows, run all the time.
type siege struct {
	t       *testing.T
	daemon  *hosts.Daemon
	flood   *hosts.Flood
	streams []*hosts.Stream
	leaked  atomic.Int64
	first   atomic.Pointer[hosts.Packet] // that leaked
}

func lay(t *testing.T, config string) *siege {
	t.Helper()
	left, router, right := hosts.Routed(t)
	s := &siege{t: t}
	count := func(p hosts.Packet) {
		if p.Source.Is4() && bad4.Contains(p.Source) || bad6.Contains(p.Source) {
			s.leaked.Add(1)
			s.first.CompareAndSwap(nil, &p)
		}
	}
	tap := func(tap *hosts.Tap, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := tap.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	tap(right.Capture(func(_ int, b []byte) {
		if p, ok := hosts.ReadPacket(b); ok {
			count(p)
		}
	}))
	for _, six := range []bool{false, true} {
		tap(router.Arrivals(six, 6, count))
		tap(router.Arrivals(six, 17, count))
	}
	s.daemon = hosts.Prepare(t, router, config)
	s.write("bad.netset", netset(0))
	if err := s.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct {
		from, to *hosts.Host
		address  string
	}{
		{left, right, "198.51.100.2:5001"},
		{right, router, "[2001:db8:2::1]:5001"},
	} {
		stream, err := hosts.OpenStream(way.from, way.to, way.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
		})
		s.streams = append(s.streams, stream)
	}
	mac, err := router.Hardware("left")
	if err != nil {
		t.Fatal(err)
	}
	injector, err := left.NewInjector("eth0", mac)
	if err != nil {
		t.Fatal(err)
	}
	s.flood = injector.Flood(badPackets(), perSecond, atMost)
	t.Cleanup(func() {
		if err := s.flood.End(); err != nil {
			t.Error(err)
		}
		if err := injector.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var (
	bad4 = netip.MustParsePrefix("203.0.113.0/24")
	bad6 = netip.MustParsePrefix("2001:db8:bad::/48")
)

// badPackets open connections to the router and to the right.
func badPackets() [][]byte {
	var all [][]byte
	for i := range 1024 {
		p := hosts.Packet{Protocol: 17, SourcePort: uint16(10000 + i), DestinationPort: 5001, Payload: []byte("flood")}
		if i%2 == 0 {
			p.Protocol, p.Flags = 6, hosts.SYN
		}
		to := []string{"192.0.2.1", "198.51.100.2", "2001:db8:1::1", "2001:db8:2::2"}[i/2%4]
		p.Destination = netip.MustParseAddr(to)
		p.Source = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if p.Destination.Is6() {
			from := bad6.Addr().As16()
			from[7], from[15] = byte(i), byte(i>>8)
			p.Source = netip.AddrFrom16(from)
		}
		all = append(all, p.Bytes())
	}
	return all
}

func (s *siege) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.daemon.Config), name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// reload puts another policy in force.
func (s *siege) reload(config string) {
	s.t.Helper()
	if err := s.daemon.Edit(config); err != nil {
		s.t.Fatal(err)
	}
	if err := s.daemon.Reload(); err != nil {
		s.t.Fatal(err)
	}
}

// dies kills pfwd so long after a reload has begun, and starts it again; nothing must leak meanwhile. n counts the deaths.
func (s *siege) dies(n int, after time.Duration) {
	s.t.Helper()
	outcome := make(chan error, 1)
	go func() { outcome <- s.daemon.Reload() }()
	time.Sleep(after)
	if err := s.daemon.Kill(); err != nil {
		s.t.Fatal(err)
	}
	if err := <-outcome; err != nil && hosts.ExitCode(err) < 0 {
		s.t.Fatal(err)
	}
	s.holds(fmt.Sprintf("death %d", n))
	if err := s.daemon.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.holds(fmt.Sprintf("start after death %d", n))
}

// holds fails the test where anything came through or a stream broke.
func (s *siege) holds(when string) {
	s.t.Helper()
	for _, stream := range s.streams {
		if err := stream.Alive(15 * time.Second); err != nil {
			s.t.Fatalf("%s: %v", when, err)
		}
	}
	if n := s.leaked.Load(); n > 0 {
		p := s.first.Load()
		s.t.Fatalf("%s: %d of %d packets came through, the first protocol %d %s:%d -> %s:%d", when, n, s.flood.Sent(),
			p.Protocol, p.Source, p.SourcePort, p.Destination, p.DestinationPort)
	}
}

// beat fails the test where the flood did not beat on the host all the time.
func (s *siege) beat() {
	s.t.Helper()
	if n := s.flood.Sent(); n < 1000 || n == atMost {
		s.t.Fatalf("%d packets were sent, of %d at most: this proves nothing", n, atMost)
	}
	s.t.Logf("%d packets were blocked", s.flood.Sent())
}
