package audit

import (
	"net/netip"
	"testing"

	"pfw/config/policy"
)

func TestFilter(t *testing.T) {
	addresses := func(texts ...string) (all []policy.AddressRange) {
		for _, text := range texts {
			all = append(all, policy.RangeOf(netip.MustParsePrefix(text)))
		}
		return all
	}
	banned := Entry{EventType: Ban, SrcIP: netip.MustParsePrefix("2001:db8:0:1::/64"), PFW: PFW{Rule: "ssh"}}
	reload := Entry{EventType: Reload}
	none := Entry{EventType: Drop, Direction: "in", PFW: PFW{Action: "block"}} // a packet that could not be read
	for _, c := range []struct {
		name   string
		f      Filter
		e      Entry
		wanted bool
	}{
		{"nothing asked", Filter{}, reload, true},
		{"rule", Filter{Rules: []string{"ssh", "no-telnet-smtp"}}, telnet(), true},
		{"another rule", Filter{Rules: []string{"no-telnet"}}, telnet(), false},
		{"rule of what has none", Filter{Rules: []string{"ssh"}}, reload, false},
		{"rule of a ban", Filter{Rules: []string{"ssh"}}, banned, true},
		{"default", Filter{Rules: []string{"default"}}, ping(), true},
		{"source", Filter{Sources: addresses("203.0.113.7/32")}, telnet(), true},
		{"network", Filter{Sources: addresses("10.0.0.0/8", "203.0.113.0/24")}, telnet(), true},
		{"beside the network", Filter{Sources: addresses("203.0.112.0/24")}, telnet(), false},
		{"the other end", Filter{Sources: addresses("192.0.2.10/32")}, telnet(), false},
		{"all of IPv4", Filter{Sources: addresses("0.0.0.0/0")}, telnet(), true},
		{"all of IPv6", Filter{Sources: addresses("::/0")}, telnet(), false},
		{"one of a banned prefix", Filter{Sources: addresses("2001:db8:0:1::5/128")}, banned, true},
		{"a network around a banned prefix", Filter{Sources: addresses("2001:db8::/32")}, banned, true},
		{"beside a banned prefix", Filter{Sources: addresses("2001:db8:0:2::5/128")}, banned, false},
		{"source of what has none", Filter{Sources: addresses("0.0.0.0/0", "::/0")}, none, false},
		{"destination", Filter{Dests: addresses("192.0.2.0/24")}, telnet(), true},
		{"another destination", Filter{Dests: addresses("203.0.113.7/32")}, telnet(), false},
		{"address at the source", Filter{Addresses: addresses("203.0.113.7/32")}, telnet(), true},
		{"address at the destination", Filter{Addresses: addresses("192.0.2.0/24")}, telnet(), true},
		{"address at neither end", Filter{Addresses: addresses("198.51.100.0/24")}, telnet(), false},
		{"address of what has none", Filter{Addresses: addresses("0.0.0.0/0", "::/0")}, reload, false},
		{"port of the destination", Filter{DestPorts: []policy.PortRange{{First: 23, Last: 23}}}, telnet(), true},
		{"port of the other end", Filter{SourcePorts: []policy.PortRange{{First: 23, Last: 23}}}, telnet(), false},
		{"port of the source", Filter{SourcePorts: []policy.PortRange{{First: 40312, Last: 40312}}}, telnet(), true},
		{"destination of what has none", Filter{Dests: addresses("::/0")}, banned, false},
		{"destination port", Filter{Ports: []policy.PortRange{{First: 23, Last: 23}}}, telnet(), true},
		{"source port", Filter{Ports: []policy.PortRange{{First: 40000, Last: 40312}}}, telnet(), true},
		{"neither port", Filter{Ports: []policy.PortRange{{First: 1, Last: 22}, {First: 24, Last: 40311}}}, telnet(), false},
		{"port of what has none", Filter{Ports: []policy.PortRange{{First: 1, Last: 65535}}}, ping(), false},
		{"direction", Filter{Directions: []string{"in"}}, telnet(), true},
		{"another direction", Filter{Directions: []string{"out", "forward"}}, telnet(), false},
		{"action", Filter{Actions: []string{"block", "reject"}}, telnet(), true},
		{"another action", Filter{Actions: []string{"reject"}}, telnet(), false},
		{"protocol", Filter{Protocols: []policy.Protocol{policy.UDP, policy.TCP}}, telnet(), true},
		{"another protocol", Filter{Protocols: []policy.Protocol{policy.ICMP}}, ping(), false},
		{"icmpv6", Filter{Protocols: []policy.Protocol{policy.ICMPv6}}, ping(), true},
		{"protocol of what has none", Filter{Protocols: []policy.Protocol{0}}, none, false},
		{"event", Filter{Events: []EventType{Ban, Reload}}, reload, true},
		{"another event", Filter{Events: []EventType{Ban}}, telnet(), false},
		{"all of it", Filter{Rules: []string{"no-telnet-smtp"}, Ports: []policy.PortRange{{First: 23, Last: 23}}, Events: []EventType{Drop}}, telnet(), true},
		{"all but one", Filter{Rules: []string{"no-telnet-smtp"}, Ports: []policy.PortRange{{First: 24, Last: 24}}, Events: []EventType{Drop}}, telnet(), false},
	} {
		if got := c.f.Match(&c.e); got != c.wanted {
			t.Errorf("%s: wanted %v", c.name, got)
		}
	}
	for _, c := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, false}, {Filter{Actions: []string{"block"}}, false}, {Filter{Actions: []string{"block", "allow"}}, true},
		{Filter{Events: []EventType{Allow}}, true}, {Filter{Events: []EventType{Drop}}, false},
	} {
		if got := c.f.Allowed(); got != c.want {
			t.Errorf("%+v asks for allowed connections: %v", c.f, got)
		}
	}
}
