package differential

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// named is a case that has a name: packets as explain writes them, under a policy,
// with the verdict and the rule that firewall.toml's description wants. The three
// answers must be these.
type named struct {
	name, toml string
	packets    []string // "PACKET => VERDICT by RULE"
}

// logged is the [log] table of policies that log all there is.
const logged = `
[log]
unmatched = true
allowed = true
max_rate = "unlimited"
journal = false
`

func (n *network) judgeNamed(t *testing.T, c named) {
	t.Helper()
	n.t = t
	toml := c.toml + logged
	loaded, err := n.load(toml)
	if err != nil {
		t.Fatal(err)
	}
	var shots []shot
	for i, line := range c.packets {
		text, want, _ := strings.Cut(line, " => ")
		s := n.aim(text, uint16(40000+i))
		shots = append(shots, s)
		d := loaded.Policy.Decide(s.flow(time.Now()))
		if got := d.Verdict.String() + " by " + d.By; got != want {
			t.Errorf("%s: Decide says %s: %s, want %s", text, got, d.Reason, want)
		}
	}
	for _, f := range n.judge(toml, shots, patience) {
		t.Error(f.text)
	}
}

// aim makes the shot that a packet's text means. What it leaves out is filled in:
// the addresses of wan0 and of a stranger there, the interfaces by which the
// addresses are reached, root, the port or ICMP id given.
func (n *network) aim(text string, id uint16) shot {
	n.t.Helper()
	f, err := config.ParsePacket(text, config.Disk(), time.Time{})
	n.must(err)
	s := shot{direction: f.Direction}
	p := &s.packet
	p.Protocol = uint8(f.Protocol)
	here, there := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("203.0.113.5")
	if f.Family == policy.IPv6 {
		here, there = netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8:a::5")
	}
	p.Source, p.Destination = valueOr(f.Source, there), valueOr(f.Destination, here)
	if f.Direction == policy.Out {
		p.Source, p.Destination = valueOr(f.Source, here), valueOr(f.Destination, there)
	}
	switch {
	case f.Protocol.HasPorts():
		p.SourcePort, p.DestinationPort = valueOr(f.SourcePort, id), valueOr(f.DestinationPort, 9)
	case isICMP(*p):
		p.Type, p.ID = valueOr(f.ICMPType, 8), id
		p.Payload = make([]byte, 24) // as much as any type has
		if f.Family == policy.IPv6 && f.ICMPType == (policy.Field[uint8]{}) {
			p.Type = 128
		}
	default:
		p.Payload = make([]byte, 24)
	}
	if p.Protocol == 6 {
		p.Flags = hosts.SYN
	}
	switch f.Direction {
	case policy.In:
		s.in = valueOr(f.InInterface, leavesBy(p.Source))
	case policy.Out:
		s.out = valueOr(f.OutInterface, leavesBy(p.Destination))
		s.uid, s.gid = valueOr(f.User, 0), valueOr(f.Group, 0)
	case policy.Forward:
		s.in, s.out = valueOr(f.InInterface, leavesBy(p.Source)), valueOr(f.OutInterface, leavesBy(p.Destination))
	}
	return s
}

func valueOr[T any](f policy.Field[T], other T) T {
	if v, ok := f.Get(); ok {
		return v
	}
	return other
}

func TestNamed(t *testing.T) {
	n := newNetwork(t, "")
	for _, c := range []named{
		{"what is always in force needs no rule", `
[default]
inbound = "block"
outbound = "block"
forward = "block"
`, []string{
			"in icmpv6/nd-router-advert fe80::77 -> ff02::1 => allow by icmpv6",
			"in icmpv6/mld-listener-query fe80::77 -> ff02::1 => allow by icmpv6",
			"in icmpv6/nd-neighbor-solicit 2001:db8::77 -> 2001:db8::10 => allow by icmpv6",
			"out icmpv6/nd-neighbor-solicit 2001:db8::10 -> 2001:db8::77 on wan0 => allow by icmpv6",
			"out icmpv6/nd-router-solicit 2001:db8::10 -> 2001:db8::77 on wan0 => allow by icmpv6",
			"in igmp 192.0.2.1 -> 224.0.0.1 => allow by igmp",
			"out igmp 192.0.2.10 -> 203.0.113.5 => allow by igmp",
			"in udp 192.0.2.1:67 -> 192.0.2.10:68 => allow by dhcp",
			"in udp 192.0.2.1:67 -> 255.255.255.255:68 => allow by dhcp",
			"in udp [2001:db8:a::5]:547 -> [2001:db8::10]:546 => allow by dhcp",
			"out udp 192.0.2.10:68 -> 203.0.113.5:67 => allow by dhcp",
			"out udp [2001:db8::10]:546 -> [2001:db8:a::6]:547 => allow by dhcp",
			// And no more than that.
			"in udp 192.0.2.1:68 -> 192.0.2.10:67 => block by default",
			"in udp 192.0.2.1:67 -> 192.0.2.11:69 => block by default",
			"out udp 192.0.2.10:67 -> 203.0.113.5:68 => block by default",
			"in tcp 192.0.2.1:67 -> 192.0.2.10:68 => block by default",
			"forward udp 203.0.113.5:68 -> 10.20.0.5:67 => block by default",
			"in udp [2001:db8:a::5]:67 -> [2001:db8::10]:68 => block by default",
			"in icmpv6/echo-request 2001:db8:a::5 -> 2001:db8::10 => block by default",
			"forward igmp 203.0.113.5 -> 10.20.0.5 => block by default",
			"forward icmpv6/nd-neighbor-solicit 2001:db8:a::5 -> fd00:20::5 => block by invalid",
		}},
		{"what no connection begins with never reaches a rule", `
[default]
inbound = "allow"
outbound = "allow"
forward = "allow"
[[rule]]
name = "all-in"
action = "allow"
direction = "in"
[[rule]]
name = "all-replies"
action = "allow"
direction = "both"
protocol = "icmp"
icmp_type = ["echo-reply", "redirect", "time-exceeded", 14]
`, []string{
			"in icmp/echo-reply 203.0.113.5 -> 192.0.2.10 => block by invalid",
			"in icmp/redirect 203.0.113.5 -> 192.0.2.10 => block by invalid",
			"in icmp/time-exceeded 203.0.113.5 -> 192.0.2.10 => block by invalid",
			"in icmp/timestamp-reply 203.0.113.5 -> 192.0.2.10 => block by invalid",
			"in icmp/address-mask-reply 203.0.113.5 -> 192.0.2.10 => block by invalid",
			"in icmp/router-advertisement 203.0.113.5 -> 192.0.2.10 => block by invalid",
			"in icmp/99 203.0.113.5 -> 192.0.2.10 => block by invalid",
			"in icmpv6/echo-reply 2001:db8:a::5 -> 2001:db8::10 => block by invalid",
			"in icmpv6/packet-too-big 2001:db8:a::5 -> 2001:db8::10 => block by invalid",
			"in icmpv6/nd-redirect 2001:db8:a::5 -> 2001:db8::10 => block by invalid",
			"in icmpv6/140 2001:db8:a::5 -> 2001:db8::10 => block by invalid",
			"out icmp/echo-reply 192.0.2.10 -> 203.0.113.5 => block by invalid",
			"forward icmp/echo-reply 203.0.113.5 -> 10.20.0.5 => block by invalid",
			"in icmp/echo-request 203.0.113.5 -> 192.0.2.10 => allow by all-in",
			"in icmp/timestamp-request 203.0.113.5 -> 192.0.2.10 => allow by all-in",
			"in icmp/address-mask-request 203.0.113.5 -> 192.0.2.10 => allow by all-in",
			"in icmp/info-request 203.0.113.5 -> 192.0.2.10 => allow by all-in",
			"in icmpv6/139 2001:db8:a::5 -> 2001:db8::10 => allow by all-in",
		}},
		{"reject answers, also in forward, but never many", `
[default]
inbound = "reject"
outbound = "reject"
forward = "reject"
`, []string{
			"in tcp 203.0.113.5 -> 192.0.2.10:22 => reject by default",
			"in tcp [2001:db8:a::5] -> [2001:db8::10]:22 => reject by default",
			"in udp 203.0.113.5 -> 192.0.2.10:53 => reject by default",
			"in udp [2001:db8:a::5] -> [2001:db8::10]:53 => reject by default",
			"in icmp/echo-request 203.0.113.5 -> 192.0.2.10 => reject by default",
			"in icmpv6/echo-request 2001:db8:a::5 -> 2001:db8::10 => reject by default",
			"in sctp 203.0.113.5 -> 192.0.2.10:9 => reject by default",
			"in gre 203.0.113.5 -> 192.0.2.10 => reject by default",
			"forward tcp 203.0.113.5 -> 10.20.0.5:22 => reject by default",
			"forward tcp [2001:db8:a::5] -> [fd00:20::5]:22 => reject by default",
			"forward udp 203.0.113.5 -> 10.20.0.5:53 => reject by default",
			"forward udp [2001:db8:a::5] -> [fd00:20::5]:53 => reject by default",
			"forward icmpv6/echo-request 2001:db8:a::5 -> fd00:20::5 => reject by default",
			"out tcp 192.0.2.10 -> 203.0.113.5:22 => reject by default",
			"out udp [2001:db8::10] -> [2001:db8:a::5]:53 => reject by default",
			"in udp 203.0.113.5 -> 224.0.0.1:53 => reject by default",
			"in udp 203.0.113.5 -> 192.0.2.255:53 => reject by default",
			"in udp 203.0.113.5 -> 255.255.255.255:53 => reject by default",
			"in tcp 203.0.113.5 -> 192.0.2.255:53 => reject by default",
			"in tcp 203.0.113.5 -> 224.0.0.1:53 => reject by default",
			"in udp [2001:db8:a::5] -> [ff02::1]:53 => reject by default",
			"in tcp [2001:db8:a::5] -> [ff02::1]:53 => reject by default",
			"in icmp/echo-request 203.0.113.5 -> 224.0.0.1 => reject by default",
			"in icmpv6/echo-request 2001:db8:a::5 -> ff02::1 => reject by default",
		}},
		{"both is the rule as in plus the rule as out, and local is this end", `
[default]
inbound = "block"
outbound = "block"
forward = "block"
[[rule]]
name = "both"
action = "allow"
direction = "both"
protocol = "udp"
port = 500
remote = "203.0.113.5"
local = ["192.0.2.10", "224.0.0.0/4"]
interface = "wan0"
`, []string{
			"in udp 203.0.113.5 -> 192.0.2.10:500 => allow by both",
			"out udp 192.0.2.10 -> 203.0.113.5:500 => allow by both",
			"in udp 203.0.113.5 -> 224.0.0.1:500 => allow by both",
			"in udp 203.0.113.5 -> 192.0.2.11:500 => block by default",
			"out udp 192.0.2.11 -> 203.0.113.5:500 => block by default",
			"in udp 203.0.113.6 -> 192.0.2.10:500 => block by default",
			"out udp 192.0.2.10:500 -> 203.0.113.5:501 => block by default",
			"in udp 203.0.113.5:500 -> 192.0.2.10:501 => block by default",
			"in udp 203.0.113.5:499 -> 192.0.2.10:500 on wan1 => block by default",
			"forward udp 203.0.113.5 -> 10.20.0.5:500 => block by default",
		}},
		{"only exclusions mean everything else, in both families", `
[default]
inbound = "block"
[[rule]]
name = "not-these"
action = "allow"
direction = "in"
remote = ["!203.0.113.0/25", "!2001:db8:a::/64"]
[[rule]]
name = "four-but-one"
action = "allow"
direction = "in"
remote = ["203.0.113.0/24", "!203.0.113.5"]
`, []string{
			"in udp 203.0.113.200 -> :9 => allow by not-these",
			"in udp [2001:db8:b::5] -> [2001:db8::10]:9 => allow by not-these",
			"in udp 203.0.113.6 -> :9 => allow by four-but-one",
			"in udp 203.0.113.5 -> :9 => block by default",
			"in udp [2001:db8:a::5] -> [2001:db8::10]:9 => block by default",
		}},
		{"an empty list matches nothing, and excluding it nothing less", `
[default]
inbound = "block"
outbound = "block"
[list.none]
entries = []
[[rule]]
name = "none"
action = "reject"
direction = "both"
remote = "@none"
[[rule]]
name = "but-none"
action = "allow"
direction = "in"
remote = "!@none"
`, []string{
			"in udp 203.0.113.5 -> :9 => allow by but-none",
			"in udp [2001:db8:a::5] -> [2001:db8::10]:9 => allow by but-none",
			"out udp -> 203.0.113.5:9 => block by default",
		}},
	} {
		t.Run(c.name, func(t *testing.T) { n.judgeNamed(t, c) })
	}
}
