package differential

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// open is what a policy says while connections are opened, shut what it says after.
const (
	opened = `
[default]
inbound = "allow"
outbound = "allow"
forward = "allow"
` + logged
	shut = `
[default]
inbound = "block"
outbound = "block"
forward = "block"
[[rule]]
name = "stay"
action = "allow"
direction = "both"
port = "6000-6999"
[[rule]]
name = "stay-through"
action = "allow"
direction = "forward"
port = "6000-6999"
` + logged
)

// Streams in all directions over both families: those that the new policy refuses
// end, those that it allows do not notice.
func TestReloadCutsWhatTheNewPolicyRefuses(t *testing.T) {
	left, router, right := hosts.Routed(t)
	d := hosts.Run(t, router, opened)
	type connection struct {
		name   string
		stream *hosts.Stream
		stays  bool
	}
	var all []connection
	for _, way := range []struct {
		name     string
		from, to *hosts.Host
		address  string
	}{
		{"in", left, router, "192.0.2.1"},
		{"in", left, router, "2001:db8:1::1"},
		{"out", router, right, "198.51.100.2"},
		{"out", router, right, "2001:db8:2::2"},
		{"forward", left, right, "198.51.100.2"},
		{"forward", left, right, "2001:db8:2::2"},
	} {
		for i, stays := range []bool{true, false} {
			port := []int{6000, 5000}[i]
			if way.name == "forward" {
				port += 7
			}
			s, err := hosts.OpenStream(way.from, way.to, net.JoinHostPort(way.address, fmt.Sprint(port)))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			all = append(all, connection{fmt.Sprintf("%s %s:%d", way.name, way.address, port), s, stays})
		}
	}
	if err := d.Edit(shut); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		switch err := c.stream.Alive(map[bool]time.Duration{true: patience, false: quick}[c.stays]); {
		case c.stays && err != nil:
			t.Errorf("%s is allowed, but: %v", c.name, err)
		case !c.stays && err == nil:
			t.Errorf("%s is refused, and goes on", c.name)
		}
	}
	want := 6
	entries := func() (cut []string) {
		list, err := d.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.EventType == "cut" && e.PFW.Rule == "default" && e.DestPort < 6000 {
				cut = append(cut, e.Line)
			}
		}
		return cut
	}
	for deadline := time.Now().Add(patience); len(entries()) < want && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if cut := entries(); len(cut) != want {
		t.Errorf("%d cut entries, want %d:\n%s", len(cut), want, strings.Join(cut, "\n"))
	}
	stderr, err := os.ReadFile(d.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(stderr)) {
		if strings.Contains(line, "error:") {
			t.Errorf("pfwd says: %s", line)
		}
	}
}

// What is sent to many at once comes in, though its destination is no address of
// this machine.
func TestReloadKeepsWhatCameInToMany(t *testing.T) {
	const mdns = `
[default]
inbound = "block"
outbound = "allow"
forward = "block"
[[rule]]
name = "mdns"
action = "allow"
direction = "in"
protocol = "udp"
port = 5353
` + logged
	g := newGate(t, mdns, 17)
	send := func() {
		for _, p := range []hosts.Packet{
			{Source: there4, Destination: netip.MustParseAddr("224.0.0.1")},
			{Source: there4, Destination: netip.MustParseAddr("192.0.2.255")},
			{Source: there4, Destination: netip.MustParseAddr("255.255.255.255")},
			{Source: there6, Destination: netip.MustParseAddr("ff02::1")},
		} {
			p.Protocol, p.SourcePort, p.DestinationPort = 17, 5353, 5353
			g.must(g.injector.Send(p.Bytes()))
		}
	}
	arrive := func(when string) {
		t.Helper()
		n := 0
		for deadline := time.Now().Add(patience); n < 4 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			n += g.drained(func(p hosts.Packet) bool { return p.DestinationPort == 5353 })
		}
		if n != 4 {
			t.Fatalf("%s: %d of 4 packets arrived", when, n)
		}
	}
	send()
	arrive("first")
	g.must(g.daemon.Edit(mdns + "\n[[rule]]\nname = \"more\"\naction = \"block\"\ndirection = \"in\"\n"))
	g.must(g.daemon.Reload())
	send()
	arrive("after a reload")
	if cut := g.entries(func(e hosts.Entry) bool { return e.EventType == "cut" }); len(cut) > 0 {
		t.Errorf("cut: %s", cut[0].Line)
	}
	// A policy that refuses them cuts them, and the next one lets them in again.
	g.must(g.daemon.Edit(nothing))
	g.must(g.daemon.Reload())
	isCut := func(e hosts.Entry) bool { return e.EventType == "cut" && e.Direction == "in" && e.DestPort == 5353 }
	if cut := g.waitEntries(4, isCut); len(cut) != 4 {
		t.Errorf("%d cut entries, want 4", len(cut))
	}
	g.must(g.daemon.Edit(mdns))
	g.must(g.daemon.Reload())
	send()
	arrive("after they were cut and allowed again")
}
