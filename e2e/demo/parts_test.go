package main

import (
	"strings"
	"testing"
)

// Without pfwd everything arrives: what is blocked in the demo, pfwd blocked.
func TestEverythingArrivesWithoutFirewall(t *testing.T) {
	n, err := newNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	for i, p := range probes {
		got, err := n.send(p, uint16(firstPort+i), long)
		if err != nil || got.verdict != "allow" {
			t.Errorf("%s (%s): %+v, %v, want it to arrive", p.title, p.packet(0), got, err)
		}
	}
}

func TestPacketsAreWrittenForExplain(t *testing.T) {
	for _, c := range []struct {
		probe probe
		want  string
	}{
		{probe{kind: kindTCP, direction: "in", src: stranger, dst: laptopWAN, port: 80}, "in tcp 203.0.113.7:40001 -> 203.0.113.10:80 on eth0"},
		{probe{kind: kindTCP, direction: "out", src: laptopWAN6, dst: stranger6, port: 25}, "out tcp [2001:db8::10]:40001 -> [2001:db8::7]:25 on eth0"},
		{probe{kind: kindPing, direction: "in", src: neighbour6, dst: laptopLAN6}, "in icmpv6/echo-request fd00:7::20 -> fd00:7::10 on eth0"},
		{probe{kind: kindDatagram, direction: "in", src: neighbour, dst: mdns, port: 5353, sourcePort: 5353}, "in udp 192.168.7.20:5353 -> 224.0.0.251:5353 on eth0"},
	} {
		if got := c.probe.packet(firstPort); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestAllowedConnectionsAreLogged(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{"[default]\n", "[default]\n\n[log]\nallowed = true\n"},
		{"[log]\nkeep = 2\nallowed = false # quiet\n", "[log]\nallowed = true\nkeep = 2\n"},
	} {
		if got := logAllowed(c.config); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestColourIsForTerminals(t *testing.T) {
	for _, c := range []struct {
		colour bool
		want   string
	}{
		{false, "WRONG     action in the log: \"allow\", want \"block\"\n"},
		{true, "\x1b[31mWRONG     action in the log: \"allow\", want \"block\"\x1b[0m\n"},
	} {
		var out strings.Builder
		s := &screen{out: &out, colour: c.colour}
		if s.expect("action in the log", "allow", "block") {
			t.Error("allow is taken for block")
		}
		if out.String() != c.want {
			t.Errorf("got %q, want %q", out.String(), c.want)
		}
	}
}
