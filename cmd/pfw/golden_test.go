package main

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pfw/daemon/api"
	"pfw/daemon/audit"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, write func(*screen)) {
	t.Helper()
	was := time.Local
	time.Local = time.UTC
	defer func() { time.Local = was }()
	var b bytes.Buffer
	write(&screen{w: &b})
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (run with -update after looking):\n%s", name, diff)
	}
}

func at(clock string) api.Time {
	t, err := time.Parse(time.DateTime, "2026-11-21 "+clock)
	if err != nil {
		panic(err)
	}
	return api.Time{Time: t}
}

func TestStatus(t *testing.T) {
	fine := api.Status{
		State: api.OK, Since: at("19:22:14"), Generation: 7, File: "/etc/pfw/firewall.toml", Version: "0.1.0", Rules: 12,
		Default: api.Default{Inbound: "block", Outbound: "allow", Forward: "ignore"},
		Lists:   []api.ListSize{{Name: "lan", Entries: 6}, {Name: "spamhaus", Entries: 1234567}},
		Bans:    3, Packets: api.Packets{Allowed: 1203, Blocked: 402}, Events: api.Events{Logged: 398, Suppressed: 4},
	}
	degraded := fine
	degraded.State = api.Degraded
	degraded.Events.Lost = 17
	degraded.Lists = nil
	degraded.Faults = []api.Fault{
		{Since: at("20:00:00"), What: "the rule file is not valid, the last good policy is in force:\nfirewall.toml:2:11: unknown word \"drop\"\n    inbound = \"drop\"\n", Remedy: "pfw check; mend it, then pfw reload"},
		{Since: at("20:01:00"), What: "no journal"},
	}
	degraded.Notices = []api.Fault{{Since: at("20:02:00"), What: "table ip docker refuses packets too", Remedy: "nft list ruleset shows it"}}
	open := fine
	open.Default.Inbound = "allow"
	open.Lists = make([]api.ListSize, 40)
	for i := range open.Lists {
		open.Lists[i] = api.ListSize{Name: "many", Entries: i}
	}
	reloaded, before := fine, at("08:00:00")
	reloaded.Protecting = &before
	trying, until := fine, at("22:34:57")
	trying.State, trying.Trying = api.Trying, &api.TryingStatus{File: fine.File, Until: until}
	panicking, end := fine, at("23:00:00")
	panicking.State, panicking.Panic = api.Panic, &api.PanicStatus{Since: at("21:30:00"), Until: &end}
	for _, c := range []struct {
		name string
		v    api.Status
	}{{"status-reloaded", reloaded}, {"status-trying", trying}, {"status-panic", panicking}, {"status-ok", fine}, {"status-degraded", degraded}, {"status-open", open}} {
		golden(t, c.name, func(s *screen) { s.status(c.v, at("22:34:15").Time) })
	}
}

func TestRules(t *testing.T) {
	last := at("19:22:14")
	v := api.Rules{
		Rules: []api.Rule{
			{Name: "ssh-from-lan", Action: "allow", Enabled: true, Text: "allow in tcp port 22 remote @lan", Packets: 12, Bytes: 720, LastMatch: &last},
			{Name: "no-telnet", Action: "reject", Enabled: true, Text: "reject out tcp port 23,25", Comment: "old doors", Packets: 1234567, Bytes: 87654321},
			{Name: "web", Action: "allow", Text: "allow in tcp port 80,443"},
		},
		Default: []api.DefaultCount{{Direction: "in", Action: "block", Packets: 390, Bytes: 23400}, {Direction: "out", Action: "allow", Packets: 1191, Bytes: 71460}},
	}
	golden(t, "rules", func(s *screen) { s.rules(v) })
	v.Always = []api.AlwaysInForce{{Name: "loopback", Text: "allow both on lo", Packets: 99, Bytes: 9999}}
	golden(t, "rules-all", func(s *screen) { s.rules(v) })
}

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(uint64(18446744073709551615)), "18,446,744,073,709,551,615"},
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(1024), "1.0 KiB"}, {size(1 << 20), "1.0 MiB"}, {size(1<<64 - 1), "16384.0 PiB"},
		{things(1, "rule"), "1 rule"}, {things(0, "rule"), "0 rules"},
		{lasting(59 * time.Second), "less than a minute"}, {lasting(59 * time.Minute), "59 min"}, {lasting(3*time.Hour + 12*time.Minute), "3 h 12 min"},
		{lasting(25 * time.Hour), "1 day 1 h"}, {lasting(49 * time.Hour), "2 days 1 h"}, {lasting(-time.Second), "less than a minute"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestBansAndLists(t *testing.T) {
	until, later := at("20:22:14"), at("23:59:59")
	bans := api.Bans{Bans: []api.Ban{
		{Address: "203.0.113.7", Since: at("19:22:14"), Until: &until, Reason: "guesses \x1b[2Jpasswords"},
		{Address: "2001:db8:1:2::/64", Since: at("19:23:00"), Until: &later, Rule: "ssh", Reason: "more than 6/minute"},
		{Address: "192.0.2.99", Since: at("19:24:00"), Reason: "in the kernel"},
	}}
	golden(t, "bans", func(s *screen) { s.bans(bans, at("19:30:00").Time) })
	golden(t, "bans-none", func(s *screen) { s.bans(api.Bans{}, at("19:30:00").Time) })
	golden(t, "banned", func(s *screen) { s.banned(bans, at("19:30:00").Time) })
	golden(t, "unbanned", func(s *screen) { s.unbanned(bans) })
	updated, next, long := at("06:00:00"), at("12:10:00"), api.Time{Time: at("06:00:00").AddDate(0, 0, -3)}
	lists := api.Lists{Lists: []api.List{
		{Name: "lan", Kind: api.BuiltIn, Source: "built in", Entries: 6, Ranges: 6},
		{Name: "spamhaus", Source: "/etc/pfw/lists/spamhaus.netset", Entries: 1234567, Ranges: 1230000, Skipped: 12, SkippedLines: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 77, 99}, Updated: &updated, Packets: 4711},
		{Name: "one", Source: "/etc/pfw/lists/one", Entries: 100, Ranges: 90, Skipped: 1, SkippedLines: []int{3}, Masked: 2, Updated: &updated},
		{Name: "feed", Kind: api.FromNet, Source: "https://example.org/feed.txt?…", Entries: 9, Ranges: 9, Updated: &updated, Next: &next},
		{Name: "late", Kind: api.FromNet, Source: "https://example.org/late.txt", Entries: 9, Ranges: 9, Updated: &long, Next: &updated, Error: "the server answers 404 Not Found"},
		{Name: "none", Kind: api.FromNet, Source: "https://example.org/none.txt", Next: &updated},
	}}
	golden(t, "lists", func(s *screen) { s.lists(lists, at("09:14:00").Time) })
	golden(t, "lists-none", func(s *screen) { s.lists(api.Lists{}, at("09:14:00").Time) })
	golden(t, "lists-refreshed", func(s *screen) {
		s.refreshed(refreshed{Refreshed: []api.Fetched{
			{Name: "lan", Outcome: api.FetchUnchanged, Before: 6, Entries: 6}, {Name: "spamhaus", Outcome: api.FetchChanged, Before: 1, Entries: 1234567},
			{Name: "one", Outcome: listNew, Entries: 100}, {Name: "old", Outcome: listGone, Before: 3}, {Name: "feed", Outcome: api.FetchChanged, Before: 9, Entries: 9},
			{Name: "late", Outcome: api.FetchFailed, Before: 9, Entries: 9, Error: "the server answers 404 Not Found"},
		}})
	})
}

func TestExplainEntry(t *testing.T) {
	e := audit.Entry{Timestamp: at("19:22:14").Time, Seq: 12, EventType: audit.Drop, Direction: "in", Proto: "TCP", InIface: "eth0",
		SrcIP: audit.Host(netip.MustParseAddr("203.0.113.7")), SrcPort: audit.Known[uint16](40312),
		DestIP: netip.MustParseAddr("192.0.2.10"), DestPort: audit.Known[uint16](23), PFW: audit.PFW{Action: "block", Rule: "no-telnet"}}
	v := api.Explain{
		Packet: "in tcp 203.0.113.7:40312 -> 192.0.2.10:23 on eth0", Entry: &e,
		Decision: api.Decision{Verdict: "block", Rule: "no-telnet", Reason: "rule no-telnet blocks tcp port 23", File: "/etc/pfw/firewall.toml", Line: 12},
		Steps:    []api.Step{{Rule: "ssh", Why: "port is 23, the rule asks for 22"}, {Rule: "no-telnet", Matched: true, Why: "all that the rule asks for holds"}},
		Fix:      "pfw allow --in --protocol tcp --port 23 --remote 203.0.113.7 --before no-telnet",
	}
	golden(t, "explain-entry", func(s *screen) { s.explain(v) })
	v.Now, v.Steps, v.Fix = &api.Decision{Verdict: "block", Rule: "banned", Reason: "203.0.113.7 is banned for good: enough"}, nil, "pfw unban 203.0.113.7"
	golden(t, "explain-entry-now", func(s *screen) { s.explain(v) })
	golden(t, "explain-notice", func(s *screen) {
		s.explain(api.Explain{
			Packet: "in tcp 192.0.2.7 -> :22", Decision: api.Decision{Verdict: "allow", Rule: "ssh", Reason: "rule ssh allows tcp port 22", File: "/etc/pfw/firewall.toml", Line: 3},
			Steps:   []api.Step{{Rule: "ssh", Matched: true, Why: "all that the rule asks for holds"}},
			Notices: []api.Fault{{Since: at("19:22:14"), What: "table inet firewalld refuses packets too (chain input): what pfw allows may still not pass"}},
		})
	})
}
