package enforce

import (
	"net/netip"
	"testing"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

func in(t testing.TB, remote string) policy.Inbound {
	if remote == "" {
		return policy.Inbound{}
	}
	return policy.Inbound{Ends: policy.Ends{Remote: addresses(t, remote)}}
}

// verdictRules has a rule for each thing that a packet can be asked.
func verdictRules(t testing.TB) []policy.Rule {
	protocols := func(list ...policy.Protocol) policy.Traffic { return policy.OfProtocols{Protocols: list} }
	return []policy.Rule{
		{Name: "one-host", Action: policy.Block, Log: true, Severity: policy.High, Scope: in(t, "192.0.2.7 2001:db8::7"), Traffic: tcp(t, 1001)},
		{Name: "range", Action: policy.Allow, Scope: in(t, "192.0.2.6-192.0.2.8 2001:db8::6-2001:db8::8"), Traffic: tcp(t, 1001)},
		{Name: "ssh", Action: policy.Allow, Scope: in(t, "192.0.2.0/24 10.0.0.0/8 2001:db8::/64 fd00::/8"), Traffic: tcp(t, 22)},
		{Name: "but-not-lan", Action: policy.Allow, Scope: in(t, "!192.0.2.0/24 !2001:db8::/64"), Traffic: tcp(t, 23)},
		{Name: "but-not-us", Action: policy.Allow, Scope: in(t, "!192.0.2.9 !198.51.100.0/24 !2001:db8::9"), Traffic: tcp(t, 24)},
		{Name: "answer", Action: policy.Reject, Log: true, Scope: in(t, ""), Traffic: ports(t, nil, policy.PortRange{First: 2000, Last: 2009})},
		{Name: "quiet", Action: policy.Reject, Scope: in(t, ""), Traffic: protocols(99)},
		{Name: "ports", Action: policy.Allow, Log: true, Scope: in(t, ""), Traffic: ports(t, []policy.Protocol{policy.UDP, policy.SCTP}, policy.PortRange{First: 53, Last: 53}, policy.PortRange{First: 3000, Last: 3009})},
		{Name: "source-port", Action: policy.Allow, Scope: in(t, ""), Traffic: fromPort(t, 4001)},
		{Name: "ping", Action: policy.Allow, Scope: in(t, ""), Traffic: policy.OfICMPTypes{V4: []uint8{8}, V6: []uint8{128}}},
		{Name: "other-link", Action: policy.Allow, Scope: policy.Inbound{Ends: policy.Ends{Interfaces: interfaces(t, "wlan*", "eth1")}}, Traffic: tcp(t, 26)},
		{Name: "link", Action: policy.Allow, Scope: policy.Inbound{Ends: policy.Ends{Interfaces: interfaces(t, "wlan0", "et*")}}, Traffic: tcp(t, 26)},
		{Name: "local-end", Action: policy.Allow, Scope: policy.Inbound{Ends: policy.Ends{Local: addresses(t, "192.0.2.10 2001:db8::10")}}, Traffic: tcp(t, 27)},
		{Name: "noise", Action: policy.Reject, Scope: policy.Inbound{Ends: policy.Ends{Local: addresses(t, "224.0.0.0/4 192.0.2.255 255.255.255.255 ff00::/8")}}, Traffic: udp(t, 28)},
	}
}

func fromPort(t testing.TB, port uint16) policy.Traffic {
	t.Helper()
	on, err := policy.NewOnPorts([]policy.Protocol{policy.TCP}, policy.PortSet{}, policy.Ports(policy.PortRange{First: port, Last: port}))
	if err != nil {
		t.Fatal(err)
	}
	return on
}

func TestPacketsThatComeIn(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, standard, logging, verdictRules(t)...))

	source := func(p hosts.Packet, from string) hosts.Packet { p.Source = netip.MustParseAddr(from); return p }
	dest := func(p hosts.Packet, to string) hosts.Packet { p.Destination = netip.MustParseAddr(to); return p }
	port := func(p hosts.Packet, from uint16) hosts.Packet { p.SourcePort = from; return p }
	flags := func(p hosts.Packet, f uint8) hosts.Packet { p.Flags = f; return p }
	icmp := func(p hosts.Packet, kind uint8) hosts.Packet { p.Type, p.ID = kind, 7; return p }
	ports := func(p hosts.Packet, from, to uint16) hosts.Packet {
		p.SourcePort, p.DestinationPort = from, to
		return p
	}

	for _, c := range []struct {
		what    string
		packet  hosts.Packet
		decided string
		passes  bool
		logged  string
	}{
		{"first match wins", to(6, 1001), "rule/one-host", false, "pfw block in high log rule one-host"},
		{"first match wins in IPv6", to6(6, 1001), "rule/one-host", false, "pfw block in high log rule one-host"},
		{"a range beyond the first rule", source(to(6, 1001), "192.0.2.8"), "rule/range", true, "pfw allow in low live rule range"},
		{"a range ends", source(to(6, 1001), "192.0.2.9"), "default/in", false, "pfw block in low log default"},
		{"a range in IPv6", source(to6(6, 1001), "2001:db8::6"), "rule/range", true, "pfw allow in low live rule range"},
		{"a set", to(6, 22), "rule/ssh", true, "pfw allow in low live rule ssh"},
		{"a set in IPv6", to6(6, 22), "rule/ssh", true, "pfw allow in low live rule ssh"},
		{"beyond the set", source(to(6, 22), "198.51.100.1"), "default/in", false, "pfw block in low log default"},
		{"excluded", to(6, 23), "default/in", false, "pfw block in low log default"},
		{"excluded in IPv6", to6(6, 23), "default/in", false, "pfw block in low log default"},
		{"not excluded", source(to(6, 23), "198.51.100.1"), "rule/but-not-lan", true, "pfw allow in low live rule but-not-lan"},
		{"one of several excluded", source(to(6, 24), "198.51.100.1"), "default/in", false, "pfw block in low log default"},
		{"none of several excluded", to(6, 24), "rule/but-not-us", true, "pfw allow in low live rule but-not-us"},
		{"none excluded in IPv6", to6(6, 24), "rule/but-not-us", true, "pfw allow in low live rule but-not-us"},
		{"rejected TCP", to(6, 2000), "rule/answer", false, "pfw reject in low log rule answer"},
		{"rejected UDP in IPv6", to6(17, 2009), "rule/answer", false, "pfw reject in low log rule answer"},
		{"a port beyond", to(6, 2010), "default/in", false, "pfw block in low log default"},
		{"an odd protocol", to(99, 0), "rule/quiet", false, ""},
		{"an odd protocol in IPv6", to6(99, 0), "rule/quiet", false, ""},
		{"one port of UDP", to(17, 53), "rule/ports", true, "pfw allow in low log rule ports"},
		{"a port of a range in IPv6", to6(17, 3009), "rule/ports", true, "pfw allow in low log rule ports"},
		{"SCTP", to(132, 3000), "rule/ports", true, "pfw allow in low log rule ports"},
		{"TCP is not UDP", to(6, 53), "default/in", false, "pfw block in low log default"},
		{"source port", port(to(6, 31), 4001), "rule/source-port", true, "pfw allow in low live rule source-port"},
		{"ping", icmp(to(1, 0), 8), "rule/ping", true, "pfw allow in low live rule ping"},
		{"ping in IPv6", icmp(to6(58, 0), 128), "rule/ping", true, "pfw allow in low live rule ping"},
		{"timestamp is no ping", icmp(to(1, 0), 13), "default/in", false, "pfw block in low log default"},
		{"an unasked reply", icmp(to(1, 0), 0), "always/invalid", false, ""},
		{"an ICMP type of the other family", icmp(to(1, 0), 128), "always/invalid", false, ""},
		{"neighbour discovery", icmp(to6(58, 0), 136), "always/icmpv6", true, ""},
		{"redirect", icmp(to6(58, 0), 137), "always/invalid", false, ""},
		{"IGMP", to(2, 0), "always/igmp", true, ""},
		{"interface", to(6, 26), "rule/link", true, "pfw allow in low live rule link"},
		{"local end", to(6, 27), "rule/local-end", true, "pfw allow in low live rule local-end"},
		{"multicast", dest(to(17, 28), "224.0.0.1"), "rule/noise", false, ""},
		{"TCP without SYN", flags(to(6, 22), hosts.ACK), "always/invalid", false, ""},
		{"TCP that answers", port(flags(to(6, 22), hosts.SYN|hosts.ACK), 4003), "always/invalid", false, ""},
		{"reset", port(flags(to(6, 22), hosts.RST), 4004), "always/invalid", false, ""},
		{"DHCP", ports(to(17, 0), 67, 68), "always/dhcp", true, ""},
		{"DHCPv6", ports(to6(17, 0), 547, 546), "always/dhcp", true, ""},
		{"DHCP for a server", ports(to(17, 0), 68, 67), "default/in", false, "pfw block in low log default"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := g.decided(c.packet, c.decided); got != c.decided {
				t.Fatalf("%s decided, want %s", got, c.decided)
			}
			if got := g.passes(c.packet, c.passes); got != c.passes {
				t.Errorf("delivered %t, want %t", got, c.passes)
			}
			if c.logged == "" {
				waitFor(g.logged, false, func(got Tag) bool { t.Errorf("logged %q", got); return false })
				return
			}
			want, err := ParseTag(c.logged)
			if err != nil {
				t.Fatal(err)
			}
			if !g.tag(true, want) {
				t.Errorf("no log message %q", c.logged)
			}
		})
	}
}

func TestRejectAnswers(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, policy.Defaults{Inbound: policy.Reject, Outbound: policy.Allow}, policy.Log{Group: logging.Group}))
	for _, c := range []struct {
		what    string
		packet  hosts.Packet
		decided string
		answer  func(hosts.Packet) bool
	}{
		{"TCP", to(6, 22), "default/in", func(p hosts.Packet) bool { return p.Protocol == 6 && p.SourcePort == 22 && p.Flags&hosts.RST != 0 }},
		{"TCP in IPv6", to6(6, 22), "default/in", func(p hosts.Packet) bool { return p.Protocol == 6 && p.SourcePort == 22 && p.Flags&hosts.RST != 0 }},
		// RFC 1812 section 5.2.7.1, RFC 4443 section 3.1: communication administratively prohibited.
		{"UDP", to(17, 53), "default/in", func(p hosts.Packet) bool { return p.Protocol == 1 && p.Type == 3 && p.Code == 13 }},
		{"UDP in IPv6", to6(17, 53), "default/in", func(p hosts.Packet) bool { return p.Protocol == 58 && p.Type == 1 && p.Code == 1 }},
		{"an odd protocol", to(99, 0), "default/in", func(p hosts.Packet) bool { return p.Protocol == 1 && p.Type == 3 && p.Code == 13 }},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := g.decided(c.packet, c.decided); got != c.decided {
				t.Fatalf("%s decided, want %s", got, c.decided)
			}
			if !g.answer(true, c.answer) {
				t.Error("no answer")
			}
		})
	}
	for what, p := range map[string]hosts.Packet{
		"multicast":         {Protocol: 17, Source: remote4, Destination: netip.MustParseAddr("224.0.0.1"), SourcePort: 1, DestinationPort: 2},
		"broadcast":         {Protocol: 17, Source: remote4, Destination: netip.MustParseAddr("255.255.255.255"), SourcePort: 1, DestinationPort: 2},
		"subnet broadcast":  {Protocol: 17, Source: remote4, Destination: netip.MustParseAddr("192.0.2.255"), SourcePort: 1, DestinationPort: 2},
		"multicast in IPv6": {Protocol: 17, Source: remote6, Destination: netip.MustParseAddr("ff02::1"), SourcePort: 1, DestinationPort: 2},
	} {
		t.Run(what, func(t *testing.T) {
			if got := g.decided(p, "default/in"); got != "default/in" {
				t.Fatalf("%s decided", got)
			}
			if g.answer(false, func(a hosts.Packet) bool { return a.Protocol == 1 || a.Protocol == 58 && a.Type == 1 }) {
				t.Error("answered")
			}
		})
	}
}
