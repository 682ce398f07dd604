package names

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
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

func TestAnswersTeachTheNamesInRules(t *testing.T) {
	d := newDesk(t, "www.example.com", "*.example.net")
	out := d.asked("WWW.Example.com", "www.example.com 300 192.0.2.1", "www.example.com 300 2001:db8::1", "other.example.org 300 192.0.2.9")
	if len(out) != 2 || !out[0].New || out[0].Until.Sub(start) != 300*time.Second*9/8 {
		t.Errorf("%+v", out)
	}
	d.has("www.example.com", "192.0.2.1", "2001:db8::1")
	d.asked("a.b.example.net", "a.b.example.net 300 192.0.2.2")
	d.asked("example.net", "example.net 300 192.0.2.3")
	d.asked("notexample.net", "notexample.net 300 192.0.2.4")
	d.has("*.example.net", "192.0.2.2")
	if got := d.book.Name(netip.MustParseAddr("192.0.2.4")); got != "notexample.net" {
		t.Errorf("192.0.2.4 is %q", got)
	}
}

func TestAnAnswerThatComesAgainTeachesNothing(t *testing.T) {
	d := newDesk(t, "www.example.com")
	for i, c := range []struct {
		after, ttl, want int
	}{{0, 300, 1}, {10, 290, 0}, {100, 200, 0}, {0, 300, 1}, {37, 300, 0}, {1, 300, 1}} {
		d.now = d.now.Add(time.Duration(c.after) * time.Second)
		if out := d.asked("www.example.com", fmt.Sprintf("www.example.com %d 192.0.2.1", c.ttl)); len(out) != c.want || c.want == 1 && out[0].New != (i == 0) {
			t.Errorf("answer %d: %+v", i, out)
		}
	}
}

func TestBoundsOfTimeToLive(t *testing.T) {
	d := newDesk(t, "www.example.com")
	d.asked("www.example.com", "www.example.com 0 192.0.2.1", "www.example.com 4000000000 192.0.2.2")
	d.now = start.Add(Shortest)
	d.has("www.example.com", "192.0.2.1", "192.0.2.2")
	d.now = start.Add(Shortest + Shortest/grace)
	d.has("www.example.com", "192.0.2.2")
	d.now = start.Add(Longest + Longest/grace)
	d.has("www.example.com")
	if now, once := d.book.Named(domain(t, "www.example.com"), netip.MustParseAddr("192.0.2.1")); now || !once {
		t.Errorf("now %t, once %t", now, once)
	}
}

func TestOtherNamesAreFollowed(t *testing.T) {
	// All in one answer.
	d := newDesk(t, "www.example.com", "cdn.example.net")
	d.asked("www.example.com", "www.example.com 300 =cdn.example.net", "cdn.example.net 60 =x.cdn.example.net", "x.cdn.example.net 300 192.0.2.1")
	d.has("www.example.com", "192.0.2.1")
	d.has("cdn.example.net", "192.0.2.1")
	if got := d.book.Name(netip.MustParseAddr("192.0.2.1")); got != "www.example.com" {
		t.Errorf("named %q", got)
	}
	// Each only for as long as all on the way.
	d.now = start.Add(100 * time.Second)
	d.has("www.example.com")

	// In several, in both orders.
	d = newDesk(t, "www.example.com")
	d.asked("www.example.com", "www.example.com 300 =cdn.example.net")
	d.asked("cdn.example.net", "cdn.example.net 300 =x.cdn.example.net")
	d.asked("x.cdn.example.net", "x.cdn.example.net 300 192.0.2.1")
	d.has("www.example.com", "192.0.2.1")
	d = newDesk(t, "www.example.com")
	d.asked("x.cdn.example.net", "x.cdn.example.net 300 192.0.2.1")
	d.asked("cdn.example.net", "cdn.example.net 300 =x.cdn.example.net")
	d.asked("www.example.com", "www.example.com 300 =cdn.example.net")
	d.has("www.example.com", "192.0.2.1")
	// In a circle.
	d.asked("a.example.com", "a.example.com 300 =b.example.com", "b.example.com 300 =a.example.com")
	d.book.About([]policy.Domain{domain(t, "a.example.com")})
	d.has("a.example.com")
}

// What was known before a rule named it need not be asked for again.
func TestRulesThatAreNewKnowWhatWasSeen(t *testing.T) {
	d := newDesk(t)
	d.asked("www.example.com", "www.example.com 300 192.0.2.1")
	d.book.About([]policy.Domain{domain(t, "www.example.com"), domain(t, "*.example.com"), domain(t, "example.com")})
	d.has("www.example.com", "192.0.2.1")
	d.has("*.example.com", "192.0.2.1")
	d.has("example.com")
	// A policy comes and goes.
	d.book.About(nil)
	d.book.seen = map[string]*seen{}
	d.book.About([]policy.Domain{domain(t, "www.example.com")})
	d.has("www.example.com", "192.0.2.1")
}

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

// A resolver on this machine asks the servers of anybody: one of evil.example says nothing of www.example.com.
func TestOfAServerOfItsOwnOnlyTheNameInQuestionIsBelieved(t *testing.T) {
	d := newDesk(t, "www.example.com", "evil.example")
	d.between(false, "evil.example", "evil.example", "evil.example 300 =www.example.com", "www.example.com 300 192.0.2.66")
	d.has("www.example.com")
	d.has("evil.example", "192.0.2.66")
	d.between(false, "www.example.com", "www.example.com", "www.example.com 300 192.0.2.1")
	d.has("www.example.com", "192.0.2.1")
	// What www.example.com has, evil.example has: it says so itself.
	d.has("evil.example", "192.0.2.66", "192.0.2.1")
}

func TestAddressesThatLeadNowhereTeachNothing(t *testing.T) {
	d := newDesk(t, "www.example.com")
	d.asked("www.example.com", "www.example.com 300 127.0.0.1", "www.example.com 300 0.0.0.0", "www.example.com 300 ::1",
		"www.example.com 300 224.0.0.1", "www.example.com 300 fe80::1", "www.example.com 300 255.255.255.255", "www.example.com 300 10.0.0.1")
	d.has("www.example.com", "10.0.0.1")
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

func TestStateOutlivesARestart(t *testing.T) {
	d := newDesk(t, "www.example.com", "*.example.net")
	d.asked("www.example.com", "www.example.com 300 192.0.2.1")
	d.asked("a.example.net", "a.example.net 86400 2001:db8::1")
	s, changed := d.book.State()
	if _, again := d.book.State(); !changed || again {
		t.Errorf("changed %t, again %t", changed, again)
	}
	next := newDesk(t)
	next.book.Restore(s)
	next.book.About([]policy.Domain{domain(t, "www.example.com"), domain(t, "*.example.net")})
	next.now = start.Add(time.Minute)
	next.has("www.example.com", "192.0.2.1")
	next.has("*.example.net", "2001:db8::1")
	next.now = start.Add(10 * time.Minute)
	next.has("www.example.com")
	// The clock was set back by a year.
	next = newDesk(t)
	next.now = start.AddDate(-1, 0, 0)
	next.book.Restore(s)
	next.book.About([]policy.Domain{domain(t, "*.example.net")})
	next.now = next.now.Add(Longest + Longest/grace)
	next.has("*.example.net")
}

func TestNamesAreAskedForAsTheyAge(t *testing.T) {
	b := NewBook()
	asked := make(chan string, 16)
	fails := errors.New("no such host")
	taught := make(chan []Taught, 16)
	x := NewAsker(b, func(_ context.Context, name string) ([]netip.Addr, error) {
		asked <- name
		if name == "gone.example.com" {
			return nil, fails
		}
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}, func(out []Taught) { taught <- out })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	list := []policy.Domain{domain(t, "www.example.com"), domain(t, "gone.example.com"), domain(t, "*.example.com")}
	b.About(list)
	x.About(list)
	first := []string{<-asked, <-asked}
	slices.Sort(first)
	if !slices.Equal(first, []string{"gone.example.com", "www.example.com"}) {
		t.Errorf("asked for %v", first)
	}
	if out := <-taught; len(out) != 2 {
		t.Errorf("%+v", out)
	}
	// What fails is tried again after two seconds, what is known is not.
	if again := <-asked; again != "gone.example.com" {
		t.Errorf("asked for %s again", again)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := x.Asked()
	if w := got["www.example.com"]; w.Err != nil || w.Next.Sub(w.At) < Shortest/2 || w.Next.Sub(w.At) > Shortest {
		t.Errorf("%+v", w)
	}
	if g := got["gone.example.com"]; !errors.Is(g.Err, fails) || g.Failed == 0 {
		t.Errorf("%+v", g)
	}
}

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
