package nflog

import (
	"maps"
	"net/netip"
	"testing"
)

// flow makes a packet; for ICMP the ports are type and code.
func flow(protocol uint8, source, destination string, from, to uint16) *Packet {
	p := &Packet{Protocol: protocol, Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr(destination)}
	switch protocol {
	case protoICMP, protoICMPv6:
		p.ICMPType, p.ICMPCode, p.HasICMP = uint8(from), uint8(to), true
	default:
		p.SourcePort, p.DestinationPort, p.HasPorts = from, to, true
	}
	return p
}

// The values are the specification's own (baseline_deflt.json) and those of its reference implementation's tests.
func TestCommunityID(t *testing.T) {
	const (
		fe80a, fe80b = "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea"
		host3ffe     = "3ffe:507:0:1:200:86ff:fe05:80da"
		mail6, six   = "2607:f8b0:400c:c03::1a", "2001:470:e5bf:dead:4957:2174:e82c:4887"
	)
	for _, c := range []struct {
		p    *Packet
		want string
	}{
		{flow(6, "128.232.110.120", "66.35.250.204", 34855, 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{flow(6, "66.35.250.204", "128.232.110.120", 80, 34855), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{flow(6, "10.0.0.1", "10.0.0.2", 10, 11569), "1:SXBGMX1lBOwhhoDrZynfROxnhnM="},
		{flow(6, six, mail6, 63943, 25), "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{flow(6, mail6, six, 25, 63943), "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{flow(17, "192.168.1.52", "8.8.8.8", 54585, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{flow(17, "8.8.8.8", "192.168.1.52", 53, 54585), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{flow(132, "192.168.170.8", "192.168.170.56", 7, 80), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
		{flow(132, "192.168.170.56", "192.168.170.8", 80, 7), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
		{flow(132, "192.168.170.8", "192.168.170.56", 7, 7), "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
		{flow(46, "10.1.12.1", "10.1.12.2", 0, 0), "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="},
		{flow(46, "10.1.12.2", "10.1.12.1", 0, 0), "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="},
		{flow(46, "10.1.24.4", "10.1.12.1", 0, 0), "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="},

		{flow(1, "192.168.0.89", "192.168.0.1", 8, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{flow(1, "192.168.0.1", "192.168.0.89", 0, 8), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{flow(1, "192.168.0.1", "192.168.0.89", 0, 20), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{flow(1, "192.168.0.89", "192.168.0.1", 20, 0), "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="},
		{flow(1, "192.168.0.89", "192.168.0.1", 20, 1), "1:tz/fHIDUHs19NkixVVoOZywde+I="},
		{flow(1, "10.0.0.1", "10.0.0.2", 11, 0), "1:YHxtAirCG//0OzkcVAukqKQN9xM="},

		{flow(58, fe80a, fe80b, 135, 0), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{flow(58, fe80b, fe80a, 136, 0), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{flow(58, fe80b, fe80a, 135, 0), "1:zavyT/cezQr1fmImYCwYnMXbgck="},
		{flow(58, fe80a, "ff02::2", 133, 0), "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="},
		{flow(58, fe80b, "ff02::1", 134, 0), "1:pkvHqCL88/tg1k4cPigmZXUtL00="},
		{flow(58, host3ffe, "3ffe:501:0:1001::2", 128, 0), "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="},
		{flow(58, "3ffe:501:0:1001::2", host3ffe, 129, 0), "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="},
		{flow(58, "3ffe:501:1800:2345::2", host3ffe, 3, 0), "1:2ObVBgIn28oZvibYZhZMBgh7WdQ="},
		{flow(58, "3ffe:507:0:1:260:97ff:fe07:69ea", host3ffe, 3, 0), "1:NdobDX8PQNJbAyfkWxhtL2Pqp5w="},
		{flow(58, host3ffe, "3ffe:507:0:1:260:97ff:fe07:69ea", 3, 0), "1:/OGBt9BN1ofenrmSPWYicpij2Vc="},
		{flow(58, "3ffe:501:410:0:2c0:dfff:fe47:33e", host3ffe, 1, 4), "1:hLZd0XGWojozrvxqE0dWB1iM6R0="},

		{&Packet{}, ""},
		{&Packet{Protocol: 6, Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("192.0.2.2"), Fragment: true}, ""},
		{&Packet{Protocol: 1, Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("192.0.2.2"), Fragment: true}, ""},
	} {
		if got := CommunityID(c.p); got != c.want {
			t.Errorf("%s: got %s, want %s", describe(c.p), got, c.want)
		}
	}
}

// Every ICMP request of either family shares its flow with its reply, and nothing else does.
func TestCommunityIDOfICMPPairs(t *testing.T) {
	type end struct {
		source, destination string
		counterpart         map[uint16]uint16
	}
	for protocol, e := range map[uint8]end{
		protoICMP: {"192.0.2.1", "192.0.2.2", map[uint16]uint16{8: 0, 10: 9, 13: 14, 15: 16, 17: 18}},
		protoICMPv6: {"2001:db8::1", "2001:db8::2",
			map[uint16]uint16{128: 129, 130: 131, 133: 134, 135: 136, 139: 140, 144: 145}},
	} {
		for request, reply := range maps.Clone(e.counterpart) {
			e.counterpart[reply] = request
		}
		for there := range uint16(256) {
			id := CommunityID(flow(protocol, e.source, e.destination, there, 0))
			for back := range uint16(256) {
				other, known := e.counterpart[there]
				want := known && other == back
				if got := CommunityID(flow(protocol, e.destination, e.source, back, 0)) == id; got != want {
					t.Errorf("protocol %d, types %d there and %d back, are one flow: %v, want %v", protocol, there, back, got, want)
				}
			}
		}
	}
}

func BenchmarkCommunityID(b *testing.B) {
	p := flow(6, "128.232.110.120", "66.35.250.204", 34855, 80)
	b.ReportAllocs()
	for b.Loop() {
		CommunityID(p)
	}
}
