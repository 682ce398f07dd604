package names

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

var (
	client, server = netip.MustParseAddrPort("192.0.2.10:40000"), netip.MustParseAddrPort("192.0.2.7:53")
)

// udp is an IPv4 packet of UDP.
func udp(from, to netip.AddrPort, data []byte) []byte {
	total := 28 + len(data)
	b := []byte{0x45, 0, byte(total >> 8), byte(total), 0, 0, 0, 0, 64, 17, 0, 0}
	a, z := from.Addr().As4(), to.Addr().As4()
	b = append(append(b, a[:]...), z[:]...)
	for _, n := range []uint16{from.Port(), to.Port(), uint16(8 + len(data)), 0} {
		b = append(b, byte(n>>8), byte(n))
	}
	return append(b, data...)
}

// tcp is an IPv4 packet of TCP.
func tcp(from, to netip.AddrPort, sequence uint32, syn bool, data []byte) []byte {
	total := 40 + len(data)
	b := []byte{0x45, 0, byte(total >> 8), byte(total), 0, 0, 0, 0, 64, 6, 0, 0}
	a, z := from.Addr().As4(), to.Addr().As4()
	b = append(append(b, a[:]...), z[:]...)
	flags := byte(0x10)
	if syn {
		flags = 0x02
	}
	b = append(b, byte(from.Port()>>8), byte(from.Port()), byte(to.Port()>>8), byte(to.Port()),
		byte(sequence>>24), byte(sequence>>16), byte(sequence>>8), byte(sequence), 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0)
	return append(b, data...)
}

// write makes a message. A record is "name TTL value" where the value is an address, or "=name".
func write(t testing.TB, h dnsmessage.Header, question string, records ...string) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, h)
	b.EnableCompression()
	try := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	try(b.StartQuestions())
	try(b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(question + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}))
	try(b.StartAnswers())
	for _, r := range records {
		var name, value string
		var ttl uint32
		if _, err := fmt.Sscan(r, &name, &ttl, &value); err != nil {
			t.Fatal(err)
		}
		head := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Class: dnsmessage.ClassINET, TTL: ttl}
		if target, ok := strings.CutPrefix(value, "="); ok {
			try(b.CNAMEResource(head, dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target + ".")}))
		} else if a := netip.MustParseAddr(value); a.Is4() {
			try(b.AResource(head, dnsmessage.AResource{A: a.As4()}))
		} else {
			try(b.AAAAResource(head, dnsmessage.AAAAResource{AAAA: a.As16()}))
		}
	}
	out, err := b.Finish()
	try(err)
	return out
}
