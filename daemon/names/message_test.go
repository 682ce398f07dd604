package names

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func FuzzParse(f *testing.F) {
	f.Add(write(f, dnsmessage.Header{ID: 1}, "www.example.com"))
	f.Add(write(f, dnsmessage.Header{ID: 1, Response: true}, "www.example.com", "www.example.com 300 =a.example.net", "a.example.net 0 192.0.2.1", "a.example.net 1 2001:db8::1"))
	// A name that points to itself.
	f.Add([]byte{0, 1, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4})
	// More records than there are.
	f.Add([]byte{0, 1, 0x80, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err == nil && len(m.records) > mostRecords {
			t.Errorf("%d records", len(m.records))
		}
		d := newDesk(t, "www.example.com", "*.net")
		if err == nil {
			d.book.learn(&m, d.now)
		}
		d.Packet(b, d.now)
		d.Packet(udp(client, server, b), d.now)
		d.Packet(udp(server, client, b), d.now)
		d.Packet(tcp(server, client, 0, true, nil), d.now)
		d.Packet(tcp(server, client, 1, false, b), d.now)
		for a := range d.book.Addresses(domain(t, "*.net")) {
			if !ordinary(a) {
				t.Errorf("%s", a)
			}
		}
	})
}
