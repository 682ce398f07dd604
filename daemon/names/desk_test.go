package names

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"pfw/config/policy"
)

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// desk is a book, and a watcher that has it learn.
type desk struct {
	t *testing.T
	*Watcher
	now time.Time
	id  uint16
}

func newDesk(t *testing.T, about ...string) *desk {
	d := &desk{t: t, Watcher: NewWatcher(NewBook()), now: start}
	d.book.now = func() time.Time { return d.now }
	var list []policy.Domain
	for _, s := range about {
		list = append(list, domain(t, s))
	}
	d.book.About(list)
	return d
}

func domain(t *testing.T, s string) policy.Domain {
	t.Helper()
	d, err := policy.ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// asked has a program ask a resolver, and be answered.
func (d *desk) asked(question string, records ...string) []Taught {
	return d.between(true, question, question, records...)
}

func (d *desk) between(recursive bool, question, answered string, records ...string) []Taught {
	d.t.Helper()
	d.id++
	h := dnsmessage.Header{ID: d.id, RecursionDesired: recursive}
	d.Packet(udp(client, server, write(d.t, h, question)), d.now)
	h.Response = true
	return d.Packet(udp(server, client, write(d.t, h, answered, records...)), d.now)
}

// has wants a name to have these addresses and no others.
func (d *desk) has(name string, want ...string) {
	d.t.Helper()
	var got []string
	for a := range d.book.Addresses(domain(d.t, name)) {
		got = append(got, a.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		d.t.Errorf("%s has %v, want %v", name, got, want)
	}
}
