package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pfw/daemon/api"
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
	trying, until := fine, at("22:34:57")
	trying.State, trying.Trying = api.Trying, &api.TryingStatus{File: fine.File, Until: until}
	panicking, end := fine, at("23:00:00")
	panicking.State, panicking.Panic = api.Panic, &api.PanicStatus{Since: at("21:30:00"), Until: &end}
	for _, c := range []struct {
		name string
		v    api.Status
	}{{"status-trying", trying}, {"status-panic", panicking}, {"status-ok", fine}, {"status-degraded", degraded}, {"status-open", open}} {
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
