package differential

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// quick is how long to wait for what should not come.
const quick = 150 * time.Millisecond

// nothing blocks whatever it may.
const nothing = `
[default]
inbound = "block"
outbound = "block"
forward = "block"
` + logged

// outOnly is a workstation.
const outOnly = `
[default]
inbound = "block"
outbound = "allow"
` + logged

func TestLoopbackIsAllowed(t *testing.T) {
	local := hosts.New(t, "local")
	hosts.Run(t, local, nothing)
	for _, address := range []string{"127.0.0.1:7", "[::1]:7"} {
		if err := talk(local, local, address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1", "::1"} {
		if err := local.Ping(netip.Addr{}, netip.MustParseAddr(address), patience); err != nil {
			t.Errorf("ping %s: %v", address, err)
		}
	}
}

// talk sends a word over TCP and over UDP and gets one back.
func talk(from, to *hosts.Host, address string) error {
	l, err := to.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	u, err := to.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	defer u.Close()
	go func() {
		// An end to the listener ends it, too.
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(c, c) // the client judges
			_ = c.Close()
		}
	}()
	go func() {
		buf := make([]byte, 100)
		if n, back, err := u.ReadFrom(buf); err == nil {
			_, _ = u.WriteTo(buf[:n], back) // the client judges
		}
	}()
	for _, network := range []string{"tcp", "udp"} {
		if err := ask(from, network, address); err != nil {
			return fmt.Errorf("%s: %w", network, err)
		}
	}
	return nil
}

func ask(from *hosts.Host, network, address string) error {
	c, err := from.Dial(network, address, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("word")); err != nil {
		return err
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "word" {
		return fmt.Errorf("answer %q: %w", answer, err)
	}
	return nil
}

func TestRepliesComeInWhereNothingElseMay(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, outOnly)
	for _, a := range []string{"192.0.2.7", "2001:db8::7"} {
		if err := talk(local, remote, net.JoinHostPort(a, "7")); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		if err := local.Ping(netip.Addr{}, netip.MustParseAddr(a), patience); err != nil {
			t.Errorf("ping %s: %v", a, err)
		}
		// An error about a packet of ours belongs to it.
		c, err := local.Dial("udp", net.JoinHostPort(a, "9"), patience)
		if err != nil {
			t.Fatal(err)
		}
		if err := refused(c); err != nil {
			t.Errorf("nobody listens at %s: %v", a, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, a := range []string{"192.0.2.10", "2001:db8::10"} {
		if err := remote.Ping(netip.Addr{}, netip.MustParseAddr(a), quick); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ping from outside to %s: %v, want no answer", a, err)
		}
	}
	entries, err := d.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.EventType == "drop" && e.Proto != "ICMP" && e.Proto != "IPv6-ICMP" {
			t.Errorf("dropped a reply: %s", e.Line)
		}
	}
}

// refused sends until the port is said to be unreachable.
func refused(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("anybody?")); err != nil {
		return err
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("got %v, want connection refused", err)
	}
	return nil
}

// gate is a host with pfwd and a neighbour that sends it packets of all kinds;
// what arrives behind the firewall is counted by source port.
type gate struct {
	t        *testing.T
	local    *hosts.Host
	remote   *hosts.Host
	daemon   *hosts.Daemon
	injector *hosts.Injector
	arrived  chan hosts.Packet
}

func newGate(t *testing.T, config string, protocols ...uint8) *gate {
	t.Helper()
	g := &gate{t: t, arrived: make(chan hosts.Packet, 10000)}
	g.local, g.remote = hosts.Pair(t)
	g.daemon = hosts.Run(t, g.local, config)
	mac, err := g.local.Hardware("eth0")
	g.must(err)
	g.injector, err = g.remote.NewInjector("eth0", mac)
	g.must(err)
	t.Cleanup(func() {
		if err := g.injector.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, protocol := range protocols {
		for _, six := range []bool{false, true} {
			tap, err := g.local.Arrivals(six, protocol, func(p hosts.Packet) { g.arrived <- p })
			g.must(err)
			t.Cleanup(func() {
				if err := tap.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	return g
}

func (g *gate) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// count is what a rule or what is always in force has decided.
func (g *gate) count(by string) uint64 {
	g.t.Helper()
	rules, err := g.daemon.Rules()
	g.must(err)
	return rules.Packets()[by]
}

// reaches waits until a counter has a value.
func (g *gate) reaches(by string, want uint64) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got := g.count(by)
		if got == want {
			return
		}
		if got > want || time.Now().After(deadline) {
			g.t.Fatalf("counter of %s is %d, want %d", by, got, want)
		}
	}
}

// drained is how many packets arrived until now, of those that match.
func (g *gate) drained(match func(hosts.Packet) bool) int {
	n := 0
	for {
		select {
		case p := <-g.arrived:
			if match(p) {
				n++
			}
		default:
			return n
		}
	}
}

// entries are those that match.
func (g *gate) entries(match func(hosts.Entry) bool) (found []hosts.Entry) {
	g.t.Helper()
	all, err := g.daemon.Entries()
	g.must(err)
	for _, e := range all {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

func (g *gate) waitEntries(want int, match func(hosts.Entry) bool) []hosts.Entry {
	g.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if found := g.entries(match); len(found) >= want || time.Now().After(deadline) {
			return found
		}
	}
}

var (
	here4, there4 = netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.7")
	here6, there6 = netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8::7")
)

func TestTCPThatOpensNothingIsInvalid(t *testing.T) {
	g := newGate(t, `
[default]
inbound = "allow"
[[rule]]
name = "all"
action = "allow"
direction = "in"
protocol = "tcp"
`+logged, 6)
	flags := []uint8{0, hosts.ACK, hosts.FIN, hosts.RST, hosts.FIN | hosts.ACK, hosts.SYN | hosts.ACK, hosts.FIN | hosts.PSH | 1<<5, hosts.SYN | hosts.FIN, hosts.SYN | hosts.RST}
	for i, f := range flags {
		for _, p := range []hosts.Packet{{Source: there4, Destination: here4}, {Source: there6, Destination: here6}} {
			p.Protocol, p.Flags, p.SourcePort, p.DestinationPort = 6, f, uint16(3000+i), 22
			g.must(g.injector.Send(p.Bytes()))
		}
	}
	// ECN's flags do not keep a SYN from opening.
	open := hosts.Packet{Protocol: 6, Source: there4, Destination: here4, SourcePort: 4000, DestinationPort: 22, Flags: hosts.SYN | 1<<6 | 1<<7}
	g.must(g.injector.Send(open.Bytes()))
	g.reaches("all", 1)
	g.reaches("invalid", uint64(2*len(flags)))
	if n := g.drained(func(p hosts.Packet) bool { return p.SourcePort != 4000 && p.DestinationPort == 22 }); n > 0 {
		t.Errorf("%d packets that open nothing came through", n)
	}
	found := g.waitEntries(1, func(e hosts.Entry) bool { return e.EventType == "allow" })
	if len(found) != 1 || found[0].SrcPort != 4000 {
		t.Errorf("entries %+v, want one of the SYN", found)
	}
	if found := g.entries(func(e hosts.Entry) bool { return e.EventType == "drop" }); len(found) > 0 {
		t.Errorf("invalid packets are logged: %s", found[0].Line)
	}
}

func TestAHundredUnansweredPacketsOfOneFlowAreOneOpening(t *testing.T) {
	g := newGate(t, `
[default]
inbound = "block"
[[rule]]
name = "talk"
action = "allow"
direction = "in"
protocol = "udp"
port = 9
log = true
`+strings.Replace(logged, "allowed = true", "allowed = false", 1), 17)
	for _, p := range []hosts.Packet{{Source: there4, Destination: here4}, {Source: there6, Destination: here6}} {
		p.Protocol, p.SourcePort, p.DestinationPort = 17, 5000, 9
		for range 100 {
			g.must(g.injector.Send(p.Bytes()))
		}
	}
	all := 0
	for deadline := time.Now().Add(patience); all < 200 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		all += g.drained(func(p hosts.Packet) bool { return p.SourcePort == 5000 })
	}
	if all != 200 {
		t.Errorf("%d of 200 packets arrived", all)
	}
	g.reaches("talk", 2)
	isAllow := func(e hosts.Entry) bool { return e.EventType == "allow" && e.SrcPort == 5000 }
	g.waitEntries(2, isAllow)
	time.Sleep(quick) // for a third
	if found := g.entries(isAllow); len(found) != 2 {
		t.Errorf("%d entries, want one for each of two flows", len(found))
	}
}

func TestEveryBlockedPacketCounts(t *testing.T) {
	g := newGate(t, outOnly, 17)
	p := hosts.Packet{Protocol: 17, Source: there4, Destination: here4, SourcePort: 5000, DestinationPort: 9}
	for range 100 {
		g.must(g.injector.Send(p.Bytes()))
	}
	g.reaches("default in", 100)
	found := g.waitEntries(100, func(e hosts.Entry) bool { return e.EventType == "drop" && e.SrcPort == 5000 })
	if len(found) != 100 {
		t.Errorf("%d entries of 100", len(found))
	}
}
