package names

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pfw/config/policy"
)

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
