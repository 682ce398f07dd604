package names

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestNobodyIsBelievedWhoWasNotAsked(t *testing.T) {
	d := newDesk(t, "www.example.com")
	h := dnsmessage.Header{ID: 7, Response: true}
	spoofed := udp(server, client, write(t, h, "www.example.com", "www.example.com 300 192.0.2.66"))
	d.Packet(spoofed, d.now)
	// Another number, another port, another server, another name.
	d.Packet(udp(client, server, write(t, dnsmessage.Header{ID: 8}, "www.example.com")), d.now)
	d.Packet(spoofed, d.now)
	h.ID = 8
	good := write(t, h, "www.example.com", "www.example.com 300 192.0.2.66")
	d.Packet(udp(server, netip.MustParseAddrPort("192.0.2.10:40001"), good), d.now)
	d.Packet(udp(netip.MustParseAddrPort("192.0.2.8:53"), client, good), d.now)
	d.Packet(udp(server, client, write(t, h, "example.com", "www.example.com 300 192.0.2.66")), d.now)
	d.has("www.example.com")
	// Records that have nothing to do with the question.
	d.asked("example.org", "example.org 300 192.0.2.1", "www.example.com 300 192.0.2.66")
	d.has("www.example.com")
	d.Packet(udp(server, client, write(t, h, "www.example.com", "www.example.com 300 192.0.2.1")), d.now)
	d.has("www.example.com", "192.0.2.1")
	// The same answer once more, by somebody who saw it.
	d.Packet(udp(server, client, write(t, h, "www.example.com", "www.example.com 300 192.0.2.66")), d.now)
	d.has("www.example.com", "192.0.2.1")
	if got := d.Seen(); got.Unasked != 6 || got.Answers != 2 {
		t.Errorf("%+v", got)
	}
	// Too late.
	d.Packet(udp(client, server, write(t, dnsmessage.Header{ID: 9}, "www.example.com")), d.now)
	d.now = d.now.Add(answerTime + 1)
	h.ID = 9
	d.Packet(udp(server, client, write(t, h, "www.example.com", "www.example.com 300 192.0.2.66")), d.now)
	d.has("www.example.com", "192.0.2.1")
}

func TestAnswersOverTCP(t *testing.T) {
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("www.example.com 300 10.0.%d.%d", i/256, i%256)
	}
	framed := func(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
	question := framed(write(t, dnsmessage.Header{ID: 1, RecursionDesired: true}, "www.example.com"))
	answer := framed(write(t, dnsmessage.Header{ID: 1, Response: true}, "www.example.com", many...))
	for _, c := range []struct {
		name  string
		send  func(d *desk)
		wants int
	}{
		{"in pieces, some twice", func(d *desk) {
			for at := 0; at < len(answer); at += 100 {
				from := max(0, at-50)
				d.Packet(tcp(server, client, 5000+uint32(from)+1, false, answer[from:min(at+100, len(answer))]), d.now)
			}
		}, 300},
		{"with a piece missing", func(d *desk) {
			d.Packet(tcp(server, client, 5001, false, answer[:100]), d.now)
			d.Packet(tcp(server, client, 5201, false, answer[200:]), d.now)
			d.Packet(tcp(server, client, 5101, false, answer[100:200]), d.now)
		}, 0},
		{"by who was not asked", func(d *desk) {
			d.Packet(tcp(server, netip.MustParseAddrPort("192.0.2.10:40001"), 5000, true, nil), d.now)
			d.Packet(tcp(server, netip.MustParseAddrPort("192.0.2.10:40001"), 5001, false, answer), d.now)
		}, 0},
	} {
		d := newDesk(t, "www.example.com")
		d.Packet(tcp(client, server, 99, true, nil), d.now)
		d.Packet(tcp(server, client, 5000, true, nil), d.now)
		d.Packet(tcp(client, server, 100, false, question), d.now)
		c.send(d)
		if got := len(d.book.Addresses(domain(t, "www.example.com"))); got != c.wants {
			t.Errorf("%s: %d addresses, want %d", c.name, got, c.wants)
		}
	}
}
