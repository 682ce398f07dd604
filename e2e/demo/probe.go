package main

import (
	"fmt"
	"net/netip"
	"strings"

	"pfw/e2e/hosts"
)

type kind int

const (
	_            kind = iota
	kindTCP           // connect, and read the greeting
	kindUDP           // ask, and wait for the answer
	kindPing          // one echo request
	kindDatagram      // send, and look whether it came in: broadcast and multicast
)

// probe is one attempt and what is to become of it.
type probe struct {
	title      string
	kind       kind
	direction  string // as the laptop sees it: in, out
	src, dst   string // addresses
	port       uint16 // of dst; 0 for a ping
	sourcePort uint16 // 0: the next free one
	verdict    string // allow, block, reject
	unlogged   bool   // noise, that the rule file keeps out of the log
}

var probes = []probe{
	{title: "ssh", kind: kindTCP, direction: "in", src: neighbour, dst: laptopLAN, port: 22, verdict: "allow"},
	{title: "the same over IPv6", kind: kindTCP, direction: "in", src: neighbour6, dst: laptopLAN6, port: 22, verdict: "allow"},
	{title: "ping", kind: kindPing, direction: "in", src: neighbour, dst: laptopLAN, verdict: "allow"},
	{title: "the same over IPv6", kind: kindPing, direction: "in", src: neighbour6, dst: laptopLAN6, verdict: "allow"},
	{title: "mDNS (multicast)", kind: kindDatagram, direction: "in", src: neighbour, dst: mdns, port: 5353, sourcePort: 5353, verdict: "allow"},
	{title: "the same over IPv6", kind: kindDatagram, direction: "in", src: neighbour6, dst: mdns6, port: 5353, sourcePort: 5353, verdict: "allow"},
	{title: "shared files (SMB)", kind: kindTCP, direction: "in", src: neighbour, dst: laptopLAN, port: 445, verdict: "block"},
	{title: "broadcast noise (Dropbox)", kind: kindDatagram, direction: "in", src: neighbour, dst: lanBroadcast, port: 17500, sourcePort: 17500, verdict: "block", unlogged: true},
	{title: "telnet", kind: kindTCP, direction: "in", src: stranger, dst: laptopWAN, port: 23, verdict: "block"},
	{title: "web page", kind: kindTCP, direction: "in", src: stranger, dst: laptopWAN, port: 80, verdict: "block"},
	{title: "the same over IPv6", kind: kindTCP, direction: "in", src: stranger6, dst: laptopWAN6, port: 80, verdict: "block"},
	{title: "SNMP", kind: kindDatagram, direction: "in", src: stranger, dst: laptopWAN, port: 161, verdict: "block"},
	{title: "ping", kind: kindPing, direction: "in", src: stranger, dst: laptopWAN, verdict: "block"},
	{title: "the same over IPv6", kind: kindPing, direction: "in", src: stranger6, dst: laptopWAN6, verdict: "block"},
	{title: "web page", kind: kindTCP, direction: "out", src: laptopWAN, dst: stranger, port: 80, verdict: "allow"},
	{title: "the same over IPv6", kind: kindTCP, direction: "out", src: laptopWAN6, dst: stranger6, port: 80, verdict: "allow"},
	{title: "name lookup (DNS)", kind: kindUDP, direction: "out", src: laptopWAN, dst: stranger, port: 53, verdict: "allow"},
	{title: "telnet", kind: kindTCP, direction: "out", src: laptopWAN, dst: stranger, port: 23, verdict: "reject"},
	{title: "the same over IPv6", kind: kindTCP, direction: "out", src: laptopWAN6, dst: stranger6, port: 23, verdict: "reject"},
	{title: "mail, straight out (SMTP)", kind: kindTCP, direction: "out", src: laptopWAN, dst: stranger, port: 25, verdict: "reject"},
}

// scene is what the attempt is shown under.
func (p probe) scene() string {
	switch {
	case p.direction == "out":
		return "From the laptop"
	case p.src == neighbour, p.src == neighbour6:
		return "From the neighbour on the LAN"
	default:
		return "From the stranger"
	}
}

// ends are the two ends of the opening packet; a ping has port 0 at both.
func (p probe) ends(source uint16) (src, dst netip.AddrPort) {
	switch {
	case p.kind == kindPing:
		source = 0
	case p.sourcePort != 0:
		source = p.sourcePort
	}
	return addrPort(p.src, source), addrPort(p.dst, p.port)
}

// packet is the opening packet as `pfw explain` reads it.
func (p probe) packet(source uint16) string {
	src, dst := p.ends(source)
	if p.kind != kindPing {
		return fmt.Sprintf("%s %s %s -> %s on eth0", p.direction, p.protocol(), src, dst)
	}
	return fmt.Sprintf("%s %s/echo-request %s -> %s on eth0", p.direction, p.protocol(), src.Addr(), dst.Addr())
}

func (p probe) protocol() string {
	switch {
	case p.kind == kindTCP:
		return "tcp"
	case p.kind == kindPing && strings.Contains(p.src, ":"):
		return "icmpv6"
	case p.kind == kindPing:
		return "icmp"
	default:
		return "udp"
	}
}

// matches tells whether an entry of the log is about this attempt.
func (p probe) matches(e hosts.Entry, source uint16) bool {
	src, dst := p.ends(source)
	from, err := netip.ParseAddr(e.SrcIP)
	if err != nil {
		return false
	}
	to, err := netip.ParseAddr(e.DestIP)
	if err != nil {
		return false
	}
	return e.Direction == p.direction && from == src.Addr() && to == dst.Addr() &&
		e.SrcPort == src.Port() && e.DestPort == dst.Port()
}
