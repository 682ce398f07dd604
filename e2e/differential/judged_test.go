package differential

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// nft loads a table that is not pfw's.
func nft(t *testing.T, h *hosts.Host, script string) {
	t.Helper()
	hosts.Need(t, "nft")
	cmd := h.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

func TestPortsAreThoseAfterDNAT(t *testing.T) {
	g := newGate(t, `
[default]
inbound = "block"
[[rule]]
name = "web"
action = "allow"
direction = "in"
protocol = "udp"
port = 80
[[rule]]
name = "not-8080"
action = "reject"
direction = "in"
protocol = "udp"
port = 8080
`+logged, 17)
	nft(t, g.local, `table inet nat { chain pre { type nat hook prerouting priority dstnat; udp dport 8080 redirect to :80
}
}
`)
	for i, p := range []hosts.Packet{{Source: there4, Destination: here4}, {Source: there6, Destination: here6}} {
		p.Protocol, p.SourcePort, p.DestinationPort = 17, uint16(5000+i), 8080
		g.must(g.injector.Send(p.Bytes()))
	}
	g.reaches("web", 2)
	g.reaches("not-8080", 0)
	found := g.waitEntries(2, func(e hosts.Entry) bool { return e.EventType == "allow" && e.PFW.Rule == "web" && e.DestPort == 80 })
	if len(found) != 2 {
		t.Errorf("%d entries of port 80, want 2", len(found))
	}
}

func TestForwardedAddressesAreThoseAfterDNAT(t *testing.T) {
	left, router, right := hosts.Routed(t)
	hosts.Run(t, router, `
[default]
inbound = "block"
forward = "block"
[[rule]]
name = "published"
action = "allow"
direction = "forward"
protocol = "tcp"
to = ["198.51.100.2", "2001:db8:2::2"]
port = 80
`+logged)
	nft(t, router, `table inet nat { chain pre { type nat hook prerouting priority dstnat
		ip daddr 192.0.2.1 tcp dport 8080 dnat ip to 198.51.100.2:80
		ip6 daddr 2001:db8:1::1 tcp dport 8080 dnat ip6 to [2001:db8:2::2]:80
}
}
`)
	for _, a := range []string{"192.0.2.1", "2001:db8:1::1"} {
		l, err := right.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, err := left.Dial("tcp", net.JoinHostPort(a, "8080"), patience)
		if err != nil {
			t.Errorf("%s: %v", a, err)
		} else if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// fragments cuts a UDP packet in pieces of 64 octets.
func fragments(p hosts.Packet) [][]byte {
	const size = 64
	whole := p.Bytes()
	head := 40
	if p.Source.Is4() {
		head = 20
	}
	body := whole[head:]
	var all [][]byte
	for at := 0; at < len(body); at += size {
		piece := body[at:min(at+size, len(body))]
		more := uint16(1)
		if at+size >= len(body) {
			more = 0
		}
		b := append([]byte(nil), whole[:head]...)
		if head == 20 {
			binary.BigEndian.PutUint16(b[2:], uint16(20+len(piece)))
			binary.BigEndian.PutUint16(b[4:], p.SourcePort) // identification
			binary.BigEndian.PutUint16(b[6:], more<<13|uint16(at/8))
			binary.BigEndian.PutUint16(b[10:], 0)
			binary.BigEndian.PutUint16(b[10:], headerChecksum(b))
		} else { // RFC 8200 section 4.5
			b[6] = 44
			binary.BigEndian.PutUint16(b[4:], uint16(8+len(piece)))
			b = append(b, 17, 0)
			b = binary.BigEndian.AppendUint16(b, uint16(at)|more)
			b = binary.BigEndian.AppendUint32(b, uint32(p.SourcePort))
		}
		all = append(all, append(b, piece...))
	}
	return all
}

func headerChecksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func TestFragmentsAreJudgedTogether(t *testing.T) {
	g := newGate(t, `
[default]
inbound = "block"
[[rule]]
name = "big"
action = "allow"
direction = "in"
protocol = "udp"
port = 53
source_port = "5000-5999"
`+logged, 17)
	for i, p := range []hosts.Packet{{Source: there4, Destination: here4}, {Source: there6, Destination: here6}} {
		p.Protocol, p.Payload = 17, make([]byte, 500)
		for _, port := range []uint16{53, 54} {
			p.SourcePort, p.DestinationPort = uint16(5000+i), port
			for _, f := range fragments(p) {
				g.must(g.injector.Send(f))
			}
		}
	}
	g.reaches("big", 2)
	g.reaches("default in", 2)
	whole := g.drained(func(p hosts.Packet) bool { return p.DestinationPort == 53 && len(p.Payload) == 500 })
	if rest := g.drained(func(hosts.Packet) bool { return true }); whole != 2 || rest != 0 {
		t.Errorf("%d whole packets arrived, want 2; and %d others", whole, rest)
	}
	found := g.waitEntries(4, func(e hosts.Entry) bool { return e.SrcPort >= 5000 && e.SrcPort < 5999 })
	for _, e := range found {
		if e.PacketLen < 500 || e.EventType == "drop" && e.DestPort != 54 {
			t.Errorf("entry of a piece: %s", e.Line)
		}
	}
	if len(found) != 4 {
		t.Errorf("%d entries, want 4", len(found))
	}
}

func TestUntrackedPacketsAreJudgedOneByOne(t *testing.T) {
	g := newGate(t, `
[default]
inbound = "block"
[[rule]]
name = "dns"
action = "allow"
direction = "in"
protocol = "udp"
port = 53
`+logged, 17)
	nft(t, g.local, `table inet quick { chain pre { type filter hook prerouting priority raw; udp dport { 53, 54 } notrack
}
}
`)
	for i, p := range []hosts.Packet{{Source: there4, Destination: here4}, {Source: there6, Destination: here6}} {
		for range 3 {
			for _, port := range []uint16{53, 54} {
				p.Protocol, p.SourcePort, p.DestinationPort = 17, uint16(5000+i), port
				g.must(g.injector.Send(p.Bytes()))
			}
		}
	}
	g.reaches("dns", 6)
	g.reaches("default in", 6)
	if n := g.drained(func(p hosts.Packet) bool { return p.DestinationPort == 54 }); n > 0 {
		t.Errorf("%d blocked packets arrived", n)
	}
}

// A rule about a user holds for sockets of that user, and no others; so does one
// about the group.
func TestOwnerIsTheSocketsCreator(t *testing.T) {
	if !manyUsers(t) {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root may be other users")
		}
		t.Skip("only root may be other users")
	}
	local, remote := hosts.Pair(t)
	hosts.Run(t, local, `
[default]
outbound = "block"
[[rule]]
name = "daemon-may"
action = "allow"
direction = "out"
user = "daemon"
group = "bin"
`+logged)
	l, err := remote.Listen("tcp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		who owner
		may bool
	}{{owner{1, 2}, true}, {owner{1, 1}, false}, {owner{2, 2}, false}, {owner{0, 0}, false}} {
		for _, address := range []string{"192.0.2.7:7", "[2001:db8::7]:7"} {
			limit := map[bool]time.Duration{true: patience, false: quick}[c.may]
			err := local.Do(func() error {
				return asOwner(c.who, func() error {
					conn, err := (&net.Dialer{Timeout: limit, FallbackDelay: -1}).Dial("tcp", address)
					if err == nil {
						err = conn.Close()
					}
					return err
				})
			})
			var timeout net.Error
			switch {
			case c.may && err != nil:
				t.Errorf("user %d, group %d to %s: %v", c.who.uid, c.who.gid, address, err)
			case !c.may && !(errors.As(err, &timeout) && timeout.Timeout()):
				t.Errorf("user %d, group %d to %s: %v, want silence", c.who.uid, c.who.gid, address, err)
			}
		}
	}
}
