package names

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestMemoryIsBounded(t *testing.T) {
	d := newDesk(t, "*.example.com")
	for i := range 2 * mostNames {
		d.now = d.now.Add(time.Millisecond)
		name := fmt.Sprintf("n%d.example.com", i)
		d.asked(name, fmt.Sprintf("%s 86400 10.%d.%d.%d", name, i>>16, i>>8&255, i&255), name+" 86400 =t.example.net")
		d.Packet(udp(client, server, write(t, dnsmessage.Header{ID: uint16(i)}, "example.org")), d.now)
		d.Packet(tcp(netip.AddrPortFrom(client.Addr(), uint16(i)), server, 1, true, nil), d.now)
	}
	if n := len(d.book.seen); n > mostNames {
		t.Errorf("%d names", n)
	}
	if n := len(d.book.rules[domain(t, "*.example.com")]); n > mostKnown {
		t.Errorf("%d addresses", n)
	}
	if len(d.book.spelled) > mostSpelled || len(d.questions) > mostQuestions || len(d.streams) > mostStreams {
		t.Errorf("%d %d %d", len(d.book.spelled), len(d.questions), len(d.streams))
	}
	if n := len(d.book.seen["t.example.net"].from); n > mostAliases {
		t.Errorf("%d other names", n)
	}
}

// Who owns a name can have a thousand others below it asked for, each with as many addresses as an answer holds.
func TestAddressesOfAllNamesAreBounded(t *testing.T) {
	d := newDesk(t, "example.com")
	for i := range 250 {
		name := fmt.Sprintf("n%d.example.net", i)
		var records []string
		for j := range mostOfName {
			records = append(records, fmt.Sprintf("%s 86400 10.%d.%d.%d", name, i, j>>8, j&255))
		}
		d.asked(name, records...)
		if i == 50 {
			d.now = d.now.Add(Longest) // they are over
		}
	}
	total := 0
	for _, x := range d.book.seen {
		total += len(x.addresses)
	}
	if total > mostOfAll || total != d.book.held {
		t.Errorf("%d addresses, counted %d", total, d.book.held)
	}
	d.asked("example.com", "example.com 60 192.0.2.1")
	d.has("example.com", "192.0.2.1")
}
