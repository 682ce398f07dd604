package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pfw/daemon/api"
	"pfw/daemon/audit"
)

// busy is a day of a machine on the net.
func busy() *tally {
	t := newTally()
	clock := at("08:00:00").Time
	add := func(n int, e audit.Entry) {
		for range n {
			clock = clock.Add(time.Second)
			e.Timestamp = clock
			t.add(&e)
		}
	}
	packet := func(source, proto string, port uint16, rule string) audit.Entry {
		return audit.Entry{
			EventType: audit.Drop, Proto: proto, SrcIP: audit.Host(netip.MustParseAddr(source)), DestPort: audit.Known(port),
			PFW: audit.PFW{Rule: rule},
		}
	}
	add(120, packet("203.0.113.7", "TCP", 23, "no-telnet"))
	add(40, packet("2001:db8:0:17:211:22ff:fe33:4455", "TCP", 23, "no-telnet"))
	add(40, packet("198.51.100.2", "UDP", 5353, "default"))
	add(1, packet("198.51.100.3", "TCP", 22, "default"))
	add(1, audit.Entry{EventType: audit.Suppressed, PFW: audit.PFW{Rule: "no-telnet", Count: 1234}})
	add(1, audit.Entry{EventType: audit.Lost, PFW: audit.PFW{Count: 7}})
	add(2, audit.Entry{EventType: audit.Reload})
	add(1, audit.Entry{EventType: audit.Ban, SrcIP: netip.MustParsePrefix("2001:db8::/64"), PFW: audit.PFW{Rule: "no-telnet"}})
	return t
}

func TestStats(t *testing.T) {
	asked := at("19:22:14").Time
	all := busy().stats(api.EventsQuery{Since: wholeLog}, asked, 10)
	golden(t, "log-stats", func(s *screen) { s.logStats(all) })
	some := busy().stats(api.EventsQuery{Since: at("07:00:00").Time, Until: at("18:00:00").Time}, asked, 2)
	golden(t, "log-stats-narrow", func(s *screen) { s.width = 50; s.logStats(some) })
	golden(t, "log-stats-none", func(s *screen) { s.logStats(newTally().stats(api.EventsQuery{Since: wholeLog}, asked, 10)) })
}

func TestStatsAsJSON(t *testing.T) {
	line, err := api.Encode(busy().stats(api.EventsQuery{Since: at("07:00:00").Time}, at("19:22:14").Time, 2))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"since":"2026-11-21T07:00:00.000000Z","until":"2026-11-21T19:22:14.000000Z","entries":206,"packets":1442,"unseen":1241,` +
		`"sources":[{"address":"203.0.113.7","count":120},{"address":"198.51.100.2","count":40}],` +
		`"ports":[{"proto":"TCP","port":23,"count":160},{"proto":"UDP","port":5353,"count":40}],` +
		`"rules":[{"rule":"no-telnet","count":1394},{"rule":"default","count":41}]}` + "\n"
	if string(line) != want {
		t.Errorf("got  %swant %s", line, want)
	}
	line, err = api.Encode(newTally().stats(api.EventsQuery{}, at("19:22:14").Time, 2))
	if err != nil || !strings.Contains(string(line), `"sources":[],"ports":[],"rules":[]`) || !json.Valid(line) {
		t.Errorf("of nothing: %s, %v", line, err)
	}
}

func TestBarsFitTheTerminal(t *testing.T) {
	for _, width := range []int{40, 80, 200} {
		var b bytes.Buffer
		(&screen{w: &b, width: width}).charts(chart{"RULE", []barred{{"no-telnet", 1000}, {"ssh", 1}}})
		var longest int
		for line := range strings.Lines(b.String()) {
			longest = max(longest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
		}
		if longest != width {
			t.Errorf("width %d: the longest line has %d:\n%s", width, longest, b.String())
		}
	}
	for _, c := range []struct {
		n, most uint64
		want    string
	}{{8, 8, "██"}, {4, 8, "█"}, {6, 8, "█▌"}, {1, 8, "▎"}, {1, 1 << 63, "▏"}, {1<<64 - 1, 1<<64 - 1, "██"}} {
		if got := bar(c.n, c.most, 2); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.n, c.most, got, c.want)
		}
	}
}

// An entry may have been made by somebody who means harm.
func TestEventsAreHarmless(t *testing.T) {
	was := time.Local
	time.Local = time.UTC
	defer func() { time.Local = was }()
	e := audit.Entry{
		Timestamp: at("19:22:14").Time, Seq: 1, EventType: audit.Drop, Direction: "in", InIface: hostile,
		PFW: audit.PFW{Action: "block", Rule: hostile},
	}
	for _, json := range []bool{false, true} {
		var b bytes.Buffer
		a := app{out: &screen{w: &b}, json: json}
		a.entry(&e)
		if strings.ContainsAny(b.String(), "\x1b\u009b\a\r\u202e\x7f") || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%q", b.String())
		}
	}
}
