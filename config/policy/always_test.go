package policy

import (
	"net/netip"
	"testing"
)

func TestAlwaysInForce(t *testing.T) {
	// A policy that would do the opposite of what is always in force.
	block := must(t, Defaults{Inbound: Block, Outbound: Block, Forward: ForwardBy(Block)}, Rule{Name: "all", Action: Block, Scope: Both{}, Traffic: AnyTraffic{}})
	addr := Known(netip.MustParseAddr("10.0.0.1"))
	udp := func(d Direction, f Family, from, to uint16) Flow {
		return Flow{Direction: d, Family: f, Protocol: UDP, Source: addr, Destination: addr, SourcePort: Known(from), DestinationPort: Known(to)}
	}
	icmp := func(d Direction, f Family, p Protocol, n uint8) Flow {
		return Flow{Direction: d, Family: f, Protocol: p, ICMPType: Known(n)}
	}
	type flow = Flow
	for _, c := range []struct {
		name string
		f    flow
		want Verdict
		by   string
	}{
		{"loopback in", flow{Direction: In, Family: IPv4, Protocol: TCP, InInterface: Known("lo")}, Allow, "loopback"},
		{"loopback out", flow{Direction: Out, Family: IPv4, Protocol: TCP, OutInterface: Known("lo"), Banned: true}, Allow, "loopback"},
		{"loopback by its address", flow{Direction: In, Family: IPv4, Protocol: TCP, Source: Known(netip.MustParseAddr("127.0.0.1"))}, Allow, "loopback"},
		{"loopback by its address out", flow{Direction: Out, Family: IPv6, Protocol: TCP, Destination: Known(netip.MustParseAddr("::1"))}, Allow, "loopback"},
		{"forged loopback address", flow{Direction: In, Family: IPv4, Protocol: TCP, Source: Known(netip.MustParseAddr("127.0.0.1")), InInterface: Known("eth0")}, Block, "all"},
		{"forward from lo", flow{Direction: Forward, Family: IPv4, Protocol: TCP, InInterface: Known("lo"), OutInterface: Known("lo")}, Block, "default"},
		{"banned", flow{Direction: In, Family: IPv4, Protocol: TCP, Banned: true}, Block, "banned"},
		{"interface unknown", flow{Direction: In, Family: IPv4, Protocol: TCP, InInterface: Unknown[string]()}, Block, "all"},
		{"dhcp request", udp(Out, IPv4, 68, 67), Allow, "dhcp"},
		{"dhcp reply", udp(In, IPv4, 67, 68), Allow, "dhcp"},
		{"dhcp request of another", udp(In, IPv4, 68, 67), Block, "all"},
		{"dhcp over IPv6", udp(Out, IPv6, 68, 67), Block, "all"},
		{"dhcpv6 request", udp(Out, IPv6, 546, 547), Allow, "dhcp"},
		{"dhcpv6 reply", udp(In, IPv6, 547, 546), Allow, "dhcp"},
		{"dhcp forwarded", udp(Forward, IPv4, 68, 67), Block, "default"},
		{"igmp", flow{Direction: In, Family: IPv4, Protocol: IGMP}, Allow, "igmp"},
		{"neighbour solicitation", icmp(In, IPv6, ICMPv6, 135), Allow, "icmpv6"},
		{"router advertisement out", icmp(Out, IPv6, ICMPv6, 134), Allow, "icmpv6"},
		{"mld 2", icmp(In, IPv6, ICMPv6, 143), Allow, "icmpv6"},
		{"redirect", icmp(In, IPv6, ICMPv6, 137), Block, "invalid"},
		{"echo reply", icmp(In, IPv4, ICMP, 0), Block, "invalid"},
		{"icmp error", icmp(In, IPv4, ICMP, 3), Block, "invalid"},
		{"echo request", icmp(In, IPv4, ICMP, 8), Block, "all"},
		{"echo request 6", icmp(In, IPv6, ICMPv6, 128), Block, "all"},
		{"icmp of no type", flow{Direction: In, Family: IPv4, Protocol: ICMP}, Block, "all"},
	} {
		d := block.Decide(c.f)
		if d.Verdict != c.want || d.By != c.by {
			t.Errorf("%s: %s by %s, want %s by %s", c.name, d.Verdict, d.By, c.want, c.by)
		}
	}
	if d := must(t, standard).Decide(Flow{Direction: Forward, Family: IPv4, Protocol: TCP}); d.Verdict != Allow || d.By != "default" {
		t.Errorf("forwarded and ignored: %s by %s", d.Verdict, d.By)
	}
	if d, refused := block.Refused(udp(In, IPv4, 67, 68)); refused {
		t.Errorf("dhcp is cut by %s", d.By)
	}
}
