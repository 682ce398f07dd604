package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pfw/config/policy"
)

var zone = time.FixedZone("test", 3600)

// clock is a Saturday evening.
var clock = time.Date(2026, 11, 21, 20, 0, 0, 0, zone)

func TestPacketsAsPeopleWriteThem(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"in tcp 192.168.1.20 -> :22", "in tcp 192.168.1.20 -> :22"},
		{"in tcp 192.168.1.20 to :22", "in tcp 192.168.1.20 -> :22"},
		{"in tcp 192.168.1.20 → :22", "in tcp 192.168.1.20 -> :22"},
		{"in tcp 192.168.1.20->:ssh", "in tcp 192.168.1.20 -> :22"},
		{"  in\ttcp   192.168.1.20→192.0.2.1:22 ", "in tcp 192.168.1.20 -> 192.0.2.1:22"},
		{"in icmp/echo-request 192.0.2.7 -> ", "in icmp/echo-request 192.0.2.7 ->"},
		{"in icmp/8 192.0.2.7 ->", "in icmp/echo-request 192.0.2.7 ->"},
		{"in icmp/77 192.0.2.7 ->", "in icmp/77 192.0.2.7 ->"},
		{"in icmpv6/nd-redirect ->", "in icmpv6/nd-redirect ->"},
		{"in icmpv6 ->", "in icmpv6 ->"},
		{"out udp -> [2001:db8::1]:53", "out udp -> [2001:db8::1]:53"},
		{"out udp -> 2001:db8::1", "out udp -> 2001:db8::1"},
		{"out udp [::1]:5 -> 2001:db8::1", "out udp [::1]:5 -> 2001:db8::1"},
		{"out tcp -> [::]:443", "out tcp -> [::]:443"},
		{"in tcp [::] -> :443", "in tcp [::] -> :443"},
		{"in tcp :: -> :443", "in tcp [::] -> :443"},
		{"out tcp -> :443", "out tcp -> :443"},
		{"out 6 :1024 -> :443", "out tcp :1024 -> :443"},
		{"out gre -> 192.0.2.1", "out gre -> 192.0.2.1"},
		{"out tcp -> 192.0.2.1:80 on eth0 user alice group wheel unit a.service app /usr/bin/x", "out tcp -> 192.0.2.1:80 on eth0 user 1000 group 10 unit a.service app /usr/bin/x"},
		{`out tcp -> :80 app "/opt/a b/c" user 5`, `out tcp -> :80 user 5 app "/opt/a b/c"`},
		{"forward tcp 10.0.0.1 to 10.0.0.2:80 from eth0 to eth1", "forward tcp 10.0.0.1 -> 10.0.0.2:80 from eth0 to eth1"},
		{"forward tcp -> to eth1", "forward tcp -> to eth1"},
		{"forward tcp to to eth1 from eth0", "forward tcp -> from eth0 to eth1"},
		{"forward tcp [::] -> :80", "forward tcp [::] -> :80"},
		{"forward tcp -> [::]:80", "forward tcp [::] -> :80"},
	} {
		f, err := ParsePacket(c.text, machine(""), time.Time{})
		if err != nil {
			t.Errorf("%s: %s", c.text, err)
		} else if got := FormatPacket(f); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestPacketFacts(t *testing.T) {
	addr := func(s string) policy.Field[netip.Addr] { return policy.Known(netip.MustParseAddr(s)) }
	anyAddr, anyPort := policy.Anything[netip.Addr](), policy.Anything[uint16]()
	for _, c := range []struct {
		text string
		want policy.Flow
	}{
		{"in tcp -> ", policy.Flow{Direction: policy.In, Family: policy.IPv4, Protocol: policy.TCP, Destination: anyAddr, SourcePort: anyPort}},
		{"in tcp [::] -> ", policy.Flow{Direction: policy.In, Family: policy.IPv6, Protocol: policy.TCP, Destination: anyAddr, SourcePort: anyPort}},
		{"out tcp -> [::]:1", policy.Flow{Direction: policy.Out, Family: policy.IPv6, Protocol: policy.TCP, Source: anyAddr, SourcePort: anyPort, DestinationPort: policy.Known[uint16](1)}},
		{"out udp 192.0.2.1:5 -> 192.0.2.2 on eth0", policy.Flow{Direction: policy.Out, Family: policy.IPv4, Protocol: policy.UDP, Source: addr("192.0.2.1"), Destination: addr("192.0.2.2"),
			SourcePort: policy.Known[uint16](5), OutInterface: policy.Known("eth0")}},
		{"in udp -> 2001:db8::1 on eth0", policy.Flow{Direction: policy.In, Family: policy.IPv6, Protocol: policy.UDP, Destination: addr("2001:db8::1"), SourcePort: anyPort, InInterface: policy.Known("eth0")}},
		{"in icmpv6/128 -> ", policy.Flow{Direction: policy.In, Family: policy.IPv6, Protocol: policy.ICMPv6, Destination: anyAddr, ICMPType: policy.Known[uint8](128)}},
		{"forward esp -> from a to b", policy.Flow{Direction: policy.Forward, Family: policy.IPv4, Protocol: policy.ESP, InInterface: policy.Known("a"), OutInterface: policy.Known("b")}},
	} {
		f, err := ParsePacket(c.text, machine(""), time.Time{})
		if err != nil || !reflect.DeepEqual(f, c.want) {
			t.Errorf("%s\n got %+v %v\nwant %+v", c.text, f, err, c.want)
		}
	}
}

func TestPacketTimes(t *testing.T) {
	for at, want := range map[string]time.Time{
		"":                                      clock,
		" at 22:30":                             time.Date(2026, 11, 21, 22, 30, 0, 0, zone),
		" at 22:30:15":                          time.Date(2026, 11, 21, 22, 30, 15, 0, zone),
		" at 2026-12-24 06:00":                  time.Date(2026, 12, 24, 6, 0, 0, 0, zone),
		" at 2026-12-24T06:00":                  time.Date(2026, 12, 24, 6, 0, 0, 0, zone),
		" at 2026-12-24T06:00:00Z":              time.Date(2026, 12, 24, 7, 0, 0, 0, zone),
		" at 2026-12-24T06:00:00-05:00 on eth0": time.Date(2026, 12, 24, 12, 0, 0, 0, zone),
	} {
		f, err := ParsePacket("in tcp -> :22"+at, machine(""), clock)
		got, _ := f.Time.Get()
		if err != nil || !got.Equal(want) || got.Format("15:04") != want.Format("15:04") {
			t.Errorf("%q: %s, want %s (%v)", at, got, want, err)
		}
	}
	f, err := ParsePacket("in tcp -> :22", machine(""), time.Time{})
	if _, ok := f.Time.Get(); ok || err != nil {
		t.Errorf("a time out of nowhere: %v", err)
	}
}

func TestPacketsThatAreNone(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{"", "the packet is empty", "write it like"},
		{"inn tcp -> :22", `unknown direction "inn"`, `"in"`},
		{"both tcp -> :22", "a packet goes one way", `"in" or "out"`},
		{"tcp -> :22", `unknown direction "tcp"`, `"in", "out", "forward"`},
		{"in", "the packet names no protocol", ""},
		{"in -> :22", "the packet names no protocol", ""},
		{"in tpc -> :22", `unknown protocol "tpc"`, `"tcp"`},
		{"in 256 -> :22", "protocol 256 is not between 0 and 255", ""},
		{"in tcp/8 -> :22", "protocol tcp has no icmp types", ""},
		{"in icmp/ ->", `the icmp type after "/" is missing`, "echo-request"},
		{"in icmp/echo-rqeuest ->", `unknown icmp type "echo-rqeuest"`, `"echo-request"`},
		{"in icmp/999 ->", "icmp type 999 is not between 0 and 255", ""},
		{"in icmpv6/redirect ->", `"redirect" is a type of icmp, which the rule's protocol leaves out`, ""},
		{"in tcp 192.0.2.1:22", "the packet has no arrow ->", ""},
		{"in tcp 192.0.2.1 192.0.2.2 -> :22", `"192.0.2.2" is too much before the arrow`, ""},
		{"in tcp 192.0.2.1 -> 192.0.2.2 -> :22", "the packet has two arrows", ""},
		{"in tcp 192.0.2.1 -> 2001:db8::1", "one end is IPv4 and the other IPv6", ""},
		{"in tcp [::] -> 192.0.2.1", "one end is IPv6 and the other IPv4", ""},
		{"in icmp 2001:db8::1 ->", "icmp is not spoken over IPv6", "icmpv6"},
		{"in icmpv6 192.0.2.1 ->", "icmpv6 is not spoken over IPv4", "icmp"},
		{"in igmp [::] ->", "igmp is not spoken over IPv6", "IPv4"},
		{"in gre -> :22", "protocol gre has no ports", "leave the port out"},
		{"in tcp -> :0", "0 is no port", ""},
		{"in tcp -> :shs", `unknown service "shs"`, `"ssh"`},
		{"in udp -> :ssh", `service "ssh" is tcp port 22 only`, ""},
		{"in tcp -> :80-90", `"80-90" is no port`, "one port"},
		{"in tcp -> 192.0.2.1:", "the port is missing", ""},
		{"in tcp -> 192.0.2.1.1:22", `"192.0.2.1.1" is no address`, ""},
		{"in tcp any -> :22", `"any" is no address`, "leave the address out"},
		{"in tcp 10.0.0.0/8 -> :22", `"10.0.0.0/8" is no address`, ""},
		{"in tcp fe80::1%eth0 -> :22", `"fe80::1%eth0" has a zone`, "with on"},
		{"in tcp ::ffff:1.2.3.4 -> :22", `"::ffff:1.2.3.4" is an IPv4 address written as IPv6`, `"1.2.3.4"`},
		{"in tcp -> [::1", `"[::1" lacks its closing bracket`, ""},
		{"in tcp -> [::1]22", `"[::1]22": "22" is too much after the bracket`, ""},
		{"in tcp -> [1.2.3.4]:22", `"1.2.3.4" is no IPv6 address`, ""},
		{"in tcp -> :22 onn eth0", `unknown word "onn"`, `"on"`},
		{"in tcp -> onn eth0", `"onn" is no address`, `"on"`},
		{"in tcp -> :22 on", `"on" wants an interface after it`, ""},
		{"in tcp -> :22 on eth*", `"eth*" names several interfaces`, ""},
		{"in tcp -> :22 on eth0 on eth1", `the packet has "on" twice`, ""},
		{"in tcp -> :22 from eth0", `only a forwarded packet has "from"`, "on IFACE"},
		{"in tcp -> :22 to eth0", `only a forwarded packet has "to"`, "on IFACE"},
		{"in tcp -> :22 user alice", "only a packet that goes out has an owner", ""},
		{"forward tcp -> :22 on eth0", "a forwarded packet has two interfaces", "from IFACE to IFACE"},
		{"forward tcp -> :22 unit x", "a forwarded packet belongs to no process of this machine", ""},
		{"out tcp -> :22 user alcie", `unknown user "alcie"`, `"alice"`},
		{"out tcp -> :22 app curl", `"curl" is no absolute path`, ""},
		{`out tcp -> :22 app "/x`, "a quotation mark is missing in the packet", ""},
		{"in tcp -> :22\x1b[31m", "the packet has characters that do not print", ""},
		{"in tcp -> :22 on \x80", "the packet has characters that do not print", ""},
		{"in tcp -> :22 at noon", `"noon" is no time`, "22:30"},
		{"in tcp -> :22 at 2026-02-30 10:00", `"2026-02-30" is no time`, ""},
		{"in tcp -> :22 at 2026-02-20", `"2026-02-20" lacks the time of day`, ""},
		{"in tcp -> :22 at 2026-02-20 25:00", `"25:00" is no time`, ""},
		{"in tcp -> :22 at", `"at" wants a time after it`, ""},
	} {
		_, w := parsePacket(c.text, &names{src: machine("")}, clock, clock)
		if w == nil || w.message != c.want || !strings.Contains(w.advice(), c.hint) {
			t.Errorf("%s\n got %v\nwant %s (%s)", c.text, w, c.want, c.hint)
		}
	}
	if _, err := ParsePacket("in tcp -> :22 at 22:30", machine(""), time.Time{}); err == nil {
		t.Error("a time of today where there is no today")
	}
}

// flows makes all packets that can be written.
func flows() *rapid.Generator[policy.Flow] {
	return rapid.Custom(func(t *rapid.T) policy.Flow {
		f := policy.Flow{
			Direction: rapid.SampledFrom(policy.Directions).Draw(t, "direction"),
			Family:    rapid.SampledFrom(policy.Families).Draw(t, "family"),
		}
		f.Protocol = rapid.Custom(func(t *rapid.T) policy.Protocol {
			if rapid.Bool().Draw(t, "common") {
				return rapid.SampledFrom([]policy.Protocol{policy.TCP, policy.UDP, policy.ICMP, policy.ICMPv6}).Draw(t, "protocol")
			}
			return policy.Protocol(rapid.Byte().Draw(t, "protocol"))
		}).Filter(func(p policy.Protocol) bool { return p.In(f.Family) }).Draw(t, "protocol")
		address := func(label string) policy.Field[netip.Addr] {
			if f.Family == policy.IPv4 {
				return policy.Known(netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label))))
			}
			a := netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label)))
			if a.Is4In6() || a == netip.IPv6Unspecified() {
				a = netip.IPv6LinkLocalAllNodes()
			}
			return policy.Known(a)
		}
		maybe := func(label string) bool { return rapid.Bool().Draw(t, label) }
		if f.Direction == policy.Out {
			f.Source = policy.Anything[netip.Addr]()
		}
		if f.Direction == policy.In {
			f.Destination = policy.Anything[netip.Addr]()
		}
		if maybe("has source") {
			f.Source = address("source")
		}
		if maybe("has destination") {
			f.Destination = address("destination")
		}
		if f.Protocol.HasPorts() {
			f.SourcePort = policy.Anything[uint16]()
			if maybe("has source port") {
				f.SourcePort = policy.Known(rapid.Uint16Min(1).Draw(t, "source port"))
			}
			if maybe("has port") {
				f.DestinationPort = policy.Known(rapid.Uint16Min(1).Draw(t, "port"))
			}
		}
		if (f.Protocol == policy.ICMP || f.Protocol == policy.ICMPv6) && maybe("has type") {
			f.ICMPType = policy.Known(rapid.Byte().Draw(t, "type"))
		}
		word := rapid.StringMatching(`[a-zA-Z0-9._-]{1,15}`).Filter(func(s string) bool { return s != "." && s != ".." })
		if f.Direction != policy.Out && maybe("has in interface") {
			f.InInterface = policy.Known(word.Draw(t, "in interface"))
		}
		if f.Direction != policy.In && maybe("has out interface") {
			f.OutInterface = policy.Known(word.Draw(t, "out interface"))
		}
		if f.Direction == policy.Out && maybe("has owner") {
			f.User, f.Group = policy.Known(rapid.Uint32Max(1<<32-2).Draw(t, "user")), policy.Known(rapid.Uint32Max(1<<32-2).Draw(t, "group"))
		}
		if f.Direction != policy.Forward && maybe("has process") {
			f.Unit, f.App = policy.Known(word.Draw(t, "unit")), policy.Known("/"+rapid.StringMatching(`[a-z >-]{0,20}`).Draw(t, "app"))
		}
		if maybe("has time") {
			f.Time = policy.Known(time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "time"), 0).In(zone))
		}
		return f
	})
}

func TestFormatAndParseGiveTheSamePacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := flows().Draw(t, "flow")
		text := FormatPacket(f)
		got, w := parsePacket(text, &names{src: machine("")}, time.Time{}, clock)
		if w != nil {
			t.Fatalf("%s: %s", text, w)
		}
		if !reflect.DeepEqual(got, f) {
			t.Fatalf("%s\n got %+v\nwant %+v", text, got, f)
		}
	})
}

func FuzzPacket(f *testing.F) {
	for _, s := range []string{"in tcp 192.0.2.7 -> :22", "out udp [::1]:5 -> [::]:53 on eth0 user alice at 22:30", "forward icmp/8 to to x", `in 6→app "/a b"`, "in icmpv6/echo-request ->"} {
		f.Add(s)
	}
	n := &names{src: machine("")}
	f.Fuzz(func(t *testing.T, text string) {
		flow, w := parsePacket(text, n, time.Time{}, clock)
		if w != nil {
			if w.message == "" {
				t.Error("refused without a reason")
			}
			return
		}
		again, w := parsePacket(FormatPacket(flow), n, time.Time{}, clock)
		if w != nil || !reflect.DeepEqual(flow, again) {
			t.Errorf("%q\nis %+v\n%q\nis %+v (%v)", text, flow, FormatPacket(flow), again, w)
		}
	})
}
