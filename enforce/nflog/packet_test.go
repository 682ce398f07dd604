package nflog

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// describe writes a packet as a person would, naming only what is valid.
func describe(p *Packet) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d %s", p.Protocol, endpoints(p.Source, p.Destination, p.SourcePort, p.DestinationPort, p.HasPorts))
	if p.HasICMP {
		fmt.Fprintf(&s, " icmp %d/%d", p.ICMPType, p.ICMPCode)
	}
	if p.HasTCPFlags {
		fmt.Fprintf(&s, " flags %s", TCPFlagsString(p.TCPFlags))
	}
	if p.Fragment {
		s.WriteString(" fragment")
	}
	fmt.Fprintf(&s, " len %d", p.Length)
	if in := p.Inner; in.Valid {
		fmt.Fprintf(&s, " about %d %s", in.Protocol,
			endpoints(in.Source, in.Destination, in.SourcePort, in.DestinationPort, in.HasPorts))
	}
	return s.String()
}

func endpoints(source, destination netip.Addr, from, to uint16, ports bool) string {
	if !ports {
		return fmt.Sprintf("%s -> %s", source, destination)
	}
	return fmt.Sprintf("%s -> %s", netip.AddrPortFrom(source, from), netip.AddrPortFrom(destination, to))
}

// ip4 makes an IPv4 packet from 192.0.2.1 to 198.51.100.2; fragment is the field of flags and offset.
func ip4(protocol uint8, fragment uint16, upper ...byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 7, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(upper)))
	binary.BigEndian.PutUint16(b[6:], fragment)
	return append(b, upper...)
}

// ip6 makes an IPv6 packet from 2001:db8::1 to 2001:db8::2; parts are extension headers and the upper layer.
func ip6(next uint8, parts ...[]byte) []byte {
	rest := slices.Concat(parts...)
	b := []byte{0x60, 0, 0, 0, 0, 0, next, 64}
	binary.BigEndian.PutUint16(b[4:], uint16(len(rest)))
	source, destination := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
	return slices.Concat(b, source[:], destination[:], rest)
}

// tcp makes a TCP header from port 40312 to port 23.
func tcp(flags byte) []byte {
	return []byte{0x9d, 0x78, 0, 23, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xfa, 0, 0, 0, 0, 0}
}

// udp makes a UDP header from port 5353 to port 53.
func udp() []byte { return []byte{0x14, 0xe9, 0, 53, 0, 8, 0, 0} }

// icmp makes an ICMP or ICMPv6 message.
func icmp(icmpType, code byte, quoted ...byte) []byte {
	return append([]byte{icmpType, code, 0, 0, 0, 0, 0, 0}, quoted...)
}

// extension makes an extension header of eight bytes and more.
func extension(next, length byte, size int) []byte {
	b := make([]byte, size)
	b[0], b[1] = next, length
	return b
}

// fragment6 makes an IPv6 fragment header.
func fragment6(next byte, offsetAndMore uint16) []byte {
	return []byte{next, 0, byte(offsetAndMore >> 8), byte(offsetAndMore), 0, 0, 0, 9}
}

var decodeCases = []struct {
	name string
	b    []byte
	want string
}{
	{"syn", ip4(6, 0, tcp(0x02)...), "6 192.0.2.1:40312 -> 198.51.100.2:23 flags S len 40"},
	{"syn-ack", ip4(6, 0, tcp(0x12)...), "6 192.0.2.1:40312 -> 198.51.100.2:23 flags SA len 40"},
	{"udp", ip4(17, 0, udp()...), "17 192.0.2.1:5353 -> 198.51.100.2:53 len 28"},
	{"udp-lite", ip4(136, 0, udp()...), "136 192.0.2.1:5353 -> 198.51.100.2:53 len 28"},
	{"dccp", ip4(33, 0, udp()...), "33 192.0.2.1:5353 -> 198.51.100.2:53 len 28"},
	{"sctp", ip4(132, 0, udp()...), "132 192.0.2.1:5353 -> 198.51.100.2:53 len 28"},
	{"gre has no ports", ip4(47, 0, udp()...), "47 192.0.2.1 -> 198.51.100.2 len 28"},
	{"esp has no ports", ip4(50, 0, udp()...), "50 192.0.2.1 -> 198.51.100.2 len 28"},
	{"ah in IPv4 is a protocol", ip4(51, 0, extension(6, 4, 24)...), "51 192.0.2.1 -> 198.51.100.2 len 44"},
	{"ping", ip4(1, 0, icmp(8, 0)...), "1 192.0.2.1 -> 198.51.100.2 icmp 8/0 len 28"},
	{"first fragment", ip4(17, 0x2000, udp()...), "17 192.0.2.1:5353 -> 198.51.100.2:53 fragment len 28"},
	{"later fragment", ip4(17, 0x2001, udp()...), "17 192.0.2.1 -> 198.51.100.2 fragment len 28"},
	{"last fragment", ip4(6, 0x0001, tcp(2)...), "6 192.0.2.1 -> 198.51.100.2 fragment len 40"},
	{"don't fragment", ip4(17, 0x4000, udp()...), "17 192.0.2.1:5353 -> 198.51.100.2:53 len 28"},
	{"options", options4(ip4(17, 0, udp()...)), "17 192.0.2.1:5353 -> 198.51.100.2:53 len 32"},
	{"header length below 20", headerLength4(ip4(17, 0, udp()...), 4), "17 192.0.2.1 -> 198.51.100.2 len 28"},
	{"header length past the end", headerLength4(ip4(17, 0, udp()...), 15), "17 192.0.2.1 -> 198.51.100.2 len 28"},
	{"padding is no header", append(ip4(6, 0), tcp(2)...), "6 192.0.2.1 -> 198.51.100.2 len 20"},
	{"length of the header, not of the copy", totalLength4(ip4(17, 0, udp()...), 1500), "17 192.0.2.1:5353 -> 198.51.100.2:53 len 1500"},
	{"length 0 (BIG TCP)", totalLength4(ip4(6, 0, tcp(0x10)...), 0), "6 192.0.2.1:40312 -> 198.51.100.2:23 flags A len 0"},
	{"addresses only", ip4(6, 0, tcp(2)...)[:20], "6 192.0.2.1 -> 198.51.100.2 len 40"},
	{"cut in the ports", ip4(6, 0, tcp(2)...)[:23], "6 192.0.2.1 -> 198.51.100.2 len 40"},
	{"cut after the ports", ip4(6, 0, tcp(2)...)[:24], "6 192.0.2.1:40312 -> 198.51.100.2:23 len 40"},
	{"cut before the code", ip4(1, 0, icmp(8, 0)...)[:21], "1 192.0.2.1 -> 198.51.100.2 len 28"},

	{"unreachable about udp", ip4(1, 0, icmp(3, 3, ip4(17, 0, udp()...)...)...),
		"1 192.0.2.1 -> 198.51.100.2 icmp 3/3 len 56 about 17 192.0.2.1:5353 -> 198.51.100.2:53"},
	{"time exceeded about ping", ip4(1, 0, icmp(11, 0, ip4(1, 0, icmp(8, 0)...)...)...),
		"1 192.0.2.1 -> 198.51.100.2 icmp 11/0 len 56 about 1 192.0.2.1 -> 198.51.100.2"},
	{"redirect about a later fragment", ip4(1, 0, icmp(5, 1, ip4(17, 1, udp()...)...)...),
		"1 192.0.2.1 -> 198.51.100.2 icmp 5/1 len 56 about 17 192.0.2.1 -> 198.51.100.2"},
	{"unreachable about nothing", ip4(1, 0, icmp(3, 1)...), "1 192.0.2.1 -> 198.51.100.2 icmp 3/1 len 28"},
	{"unreachable about a stump", ip4(1, 0, icmp(3, 1, ip4(17, 0)[:19]...)...), "1 192.0.2.1 -> 198.51.100.2 icmp 3/1 len 47"},
	{"ping quotes nothing", ip4(1, 0, icmp(8, 0, ip4(17, 0, udp()...)...)...), "1 192.0.2.1 -> 198.51.100.2 icmp 8/0 len 56"},
	{"error about an error stops at the first", ip4(1, 0, icmp(3, 1, ip4(1, 0, icmp(3, 1, ip4(17, 0, udp()...)...)...)...)...),
		"1 192.0.2.1 -> 198.51.100.2 icmp 3/1 len 84 about 1 192.0.2.1 -> 198.51.100.2"},

	{"syn over IPv6", ip6(6, tcp(2)), "6 [2001:db8::1]:40312 -> [2001:db8::2]:23 flags S len 60"},
	{"udp over IPv6", ip6(17, udp()), "17 [2001:db8::1]:5353 -> [2001:db8::2]:53 len 48"},
	{"ping6", ip6(58, icmp(128, 0)), "58 2001:db8::1 -> 2001:db8::2 icmp 128/0 len 48"},
	{"no next header", ip6(59), "59 2001:db8::1 -> 2001:db8::2 len 40"},
	{"hop-by-hop", ip6(0, extension(17, 0, 8), udp()), "17 [2001:db8::1]:5353 -> [2001:db8::2]:53 len 56"},
	{"routing of 24 bytes", ip6(43, extension(6, 2, 24), tcp(2)), "6 [2001:db8::1]:40312 -> [2001:db8::2]:23 flags S len 84"},
	{"ah of 24 bytes", ip6(51, extension(6, 4, 24), tcp(2)), "6 [2001:db8::1]:40312 -> [2001:db8::2]:23 flags S len 84"},
	{"every extension header", ip6(0, extension(60, 0, 8), extension(43, 0, 8), extension(44, 0, 8), fragment6(51, 1), extension(60, 4, 24), extension(132, 0, 8), udp()),
		"132 [2001:db8::1]:5353 -> [2001:db8::2]:53 fragment len 112"},
	{"first fragment over IPv6", ip6(44, fragment6(17, 1), udp()), "17 [2001:db8::1]:5353 -> [2001:db8::2]:53 fragment len 56"},
	{"later fragment over IPv6", ip6(44, fragment6(17, 8), udp()), "17 2001:db8::1 -> 2001:db8::2 fragment len 56"},
	{"atomic fragment", ip6(44, fragment6(17, 0), udp()), "17 [2001:db8::1]:5353 -> [2001:db8::2]:53 len 56"},
	{"cut in an extension header", ip6(0, extension(17, 0, 8), udp())[:44], "0 2001:db8::1 -> 2001:db8::2 len 56"},
	{"cut before the upper layer", ip6(0, extension(17, 0, 8), udp())[:48], "17 2001:db8::1 -> 2001:db8::2 len 56"},
	{"extension header past the end", ip6(60, extension(17, 9, 8)), "17 2001:db8::1 -> 2001:db8::2 len 48"},
	{"jumbo", jumbo6(70_000, tcp(0x10)), "6 [2001:db8::1]:40312 -> [2001:db8::2]:23 flags A len 70040"},
	{"too big about tcp", ip6(58, icmp(2, 0, ip6(6, tcp(0x10))...)),
		"58 2001:db8::1 -> 2001:db8::2 icmp 2/0 len 108 about 6 [2001:db8::1]:40312 -> [2001:db8::2]:23"},
	{"neighbor solicitation quotes nothing", ip6(58, icmp(135, 0, ip6(17, udp())...)), "58 2001:db8::1 -> 2001:db8::2 icmp 135/0 len 96"},
	{"unreachable behind an extension header", ip6(60, extension(58, 0, 8), icmp(1, 4, ip6(0, extension(17, 0, 8), udp())...)),
		"58 2001:db8::1 -> 2001:db8::2 icmp 1/4 len 112 about 17 [2001:db8::1]:5353 -> [2001:db8::2]:53"},
}

func options4(b []byte) []byte { // four bytes of no-operation
	return totalLength4(headerLength4(slices.Insert(b, 20, 1, 1, 1, 1), 6), uint16(len(b)+4))
}

func headerLength4(b []byte, words byte) []byte {
	b[0] = 0x40 | words
	return b
}

func totalLength4(b []byte, length uint16) []byte {
	binary.BigEndian.PutUint16(b[2:], length)
	return b
}

func jumbo6(payload uint32, upper []byte) []byte {
	hopByHop := binary.BigEndian.AppendUint32([]byte{6, 0, 0xc2, 4}, payload)
	b := ip6(0, hopByHop, upper)
	binary.BigEndian.PutUint16(b[4:], 0)
	return b
}

func TestDecode(t *testing.T) {
	for _, c := range decodeCases {
		t.Run(c.name, func(t *testing.T) {
			p := Packet{SourcePort: 1, HasPorts: true, Fragment: true} // what an earlier packet left is gone
			if err := Decode(c.b, &p); err != nil {
				t.Fatal(err)
			}
			if got := describe(&p); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, errShort},
		{"IPv4 without addresses", ip4(6, 0, tcp(2)...)[:19], errShort},
		{"IPv6 without addresses", ip6(6, tcp(2))[:39], errShort},
		{"version 5", headerLength5(ip4(6, 0, tcp(2)...)), errVersion},
	} {
		p := Packet{Protocol: 6, HasPorts: true}
		if err := Decode(c.b, &p); err != c.want {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
		if p != (Packet{}) {
			t.Errorf("%s: something of another packet stayed: %+v", c.name, p)
		}
	}
}

func headerLength5(b []byte) []byte {
	b[0] = 0x55
	return b
}

func TestDecodeAllocatesNothing(t *testing.T) {
	var p Packet
	for _, c := range decodeCases {
		if n := testing.AllocsPerRun(100, func() { _ = Decode(c.b, &p) }); n != 0 { // the errors are TestDecode's
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func TestTCPFlagsString(t *testing.T) {
	for flags, want := range map[uint8]string{
		0: "", 0x01: "F", 0x02: "S", 0x04: "R", 0x10: "A", 0x11: "FA", 0x12: "SA", 0x14: "RA", 0x18: "PA", 0x29: "FPU", 0xc2: "SEC", 0xff: "FSRPAUEC",
	} {
		if got := TCPFlagsString(flags); got != want {
			t.Errorf("flags %#02x: got %q, want %q", flags, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, again Packet
		err := Decode(b, &p)
		if err != nil {
			if p != (Packet{}) {
				t.Fatalf("error %v and yet %+v", err, p)
			}
			if len(b) >= headerIPv6 && (b[0]>>4 == 4 || b[0]>>4 == 6) {
				t.Fatalf("refused, though the addresses are there: %v", err)
			}
			return
		}
		if !p.Source.IsValid() || p.Source.BitLen() != p.Destination.BitLen() {
			t.Fatalf("addresses %s and %s", p.Source, p.Destination)
		}
		if p.HasPorts && p.HasICMP {
			t.Fatalf("ports and an ICMP type: %+v", p)
		}
		if p.HasTCPFlags && !p.HasPorts {
			t.Fatalf("TCP flags without ports: %+v", p)
		}
		if p.Inner.Valid && !p.HasICMP {
			t.Fatalf("a quoted packet without an ICMP error: %+v", p)
		}
		if err := Decode(append(slices.Clip(b), 0xff, 0xff), &again); err != nil || p.Length != 0 && p.Length <= len(b) && again != p {
			t.Fatalf("bytes behind the packet changed it: %v\n%+v\n%+v", err, p, again)
		}
		for n := range b { // a shorter copy tells less, and nothing else
			if Decode(b[:n], &again) != nil {
				continue
			}
			if again.Source != p.Source || again.Destination != p.Destination {
				t.Fatalf("cut to %d: addresses %s and %s, were %s and %s", n, again.Source, again.Destination, p.Source, p.Destination)
			}
			if again.HasPorts && (again.SourcePort != p.SourcePort || again.DestinationPort != p.DestinationPort) {
				t.Fatalf("cut to %d: other ports\n%+v\n%+v", n, again, p)
			}
		}
		CommunityID(&p)
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"syn", "unreachable about udp", "syn over IPv6", "every extension header"} {
		i := slices.IndexFunc(decodeCases, func(c struct {
			name string
			b    []byte
			want string
		}) bool {
			return c.name == name
		})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var p Packet
			for b.Loop() {
				if err := Decode(decodeCases[i].b, &p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
