package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"pfw/daemon/api"
)

func sockets() api.Connections {
	addr := netip.MustParseAddr
	in, out := uint64(123456789), uint64(4321)
	listening := func(proto, at string, port uint16, r api.Reach) api.Connection {
		c := api.Connection{Proto: proto, State: "listen", LocalIP: addr(at), LocalPort: port, Verdict: "allow", Rule: "loopback", Reach: &r}
		if proto == "udp" {
			c.State = "unconn"
		}
		if len(r.Rules) > 0 {
			c.Rule = r.Rules[0]
		}
		if r.From == "nowhere" {
			c.Verdict, c.Rule = "block", "default"
		}
		return c
	}
	held := func(c api.Connection, pid int, exe, user, unit string) api.Connection {
		c.PID, c.Exe, c.User, c.Unit = pid, exe, user, unit
		return c
	}
	shared := held(listening("tcp", "::", 80, api.Reach{From: "anywhere", Remotes: []string{"anywhere"}, Rules: []string{"web"}}), 911, "/usr/sbin/nginx", "root", "nginx.service")
	shared.PIDs = []int{911, 912, 913}
	own := held(listening("udp", "fe80::1", 546, api.Reach{From: "some", Remotes: []string{"anywhere"}, Rules: []string{"dhcp"}}), 640, "/usr/sbin/dhclient", "root", "ifup@eth0.service")
	own.Interface = "eth0"
	return api.Connections{Connections: []api.Connection{
		held(listening("tcp", "::", 22, api.Reach{From: "some", Remotes: []string{"@lan", "203.0.113.0/24"}, Except: []string{"@bad"}, Rules: []string{"ssh", "ssh-office"}}),
			812, "/usr/sbin/sshd", "root", "ssh.service"),
		shared,
		held(listening("tcp", "127.0.0.1", 631, api.Reach{From: "loopback"}), 700, "/usr/sbin/cupsd", "root", "cups.service"),
		held(listening("tcp", "192.0.2.10", 8080, api.Reach{From: "nowhere"}), 4242, "/usr/bin/python3.13", "alice", "app-terminal-1234567890.scope"),
		own,
		held(api.Connection{Proto: "tcp", State: "syn-sent", LocalIP: addr("192.0.2.10"), LocalPort: 40100, RemoteIP: addr("203.0.113.7"), RemotePort: 23, Direction: "out",
			Verdict: "reject", Rule: "no-telnet-smtp-or-other-old-protocols"}, 4300, "/usr/bin/tel\x1bnet", "alice", "app-terminal-1234567890.scope"),
		held(api.Connection{Proto: "tcp", State: "established", LocalIP: addr("2001:db8:1234:5678:9abc:def0:1234:5678"), LocalPort: 54321,
			RemoteIP: addr("2001:db8:4321:8765:cba9:0fed:4321:8765"), RemotePort: 443, Direction: "out", BytesIn: &in, BytesOut: &out, UID: 1000,
			Verdict: "allow", Rule: "default"}, 4242, "/usr/lib/firefox/firefox", "alice", "app-firefox-1234567890.scope"),
		held(api.Connection{Proto: "tcp", State: "established", LocalIP: addr("192.0.2.10"), LocalPort: 22, RemoteIP: addr("192.0.2.7"), RemotePort: 51000, Direction: "in",
			Verdict: "allow", Rule: "ssh"}, 5001, "/usr/sbin/sshd", "root", "ssh.service"),
		{Proto: "tcp", State: "time-wait", LocalIP: addr("192.0.2.10"), LocalPort: 40101, RemoteIP: addr("192.0.2.7"), RemotePort: 80, Direction: "out", Verdict: "allow", Rule: "default"},
	}}
}

func TestConnections(t *testing.T) {
	golden(t, "connections", func(s *screen) { s.connections(sockets()) })
	golden(t, "connections-terminal", func(s *screen) { s.width = 120; s.connections(sockets()) })
	golden(t, "connections-none", func(s *screen) { s.connections(api.Connections{}) })
}

// On a terminal no line is broken, whatever there is to tell.
func TestConnectionsFitATerminal(t *testing.T) {
	var b bytes.Buffer
	(&screen{w: &b, width: 120}).connections(sockets())
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
