package main

import (
	"testing"
	"time"
)

func TestMoments(t *testing.T) {
	was := time.Local
	time.Local = time.FixedZone("", 3600)
	defer func() { time.Local = was }()
	now := time.Date(2026, 11, 21, 19, 22, 14, 0, time.Local)
	for _, c := range []struct {
		text  string
		ahead bool
		want  string // "" is an error
	}{
		{"90s", false, "2026-11-21T19:20:44+01:00"},
		{"90s", true, "2026-11-21T19:23:44+01:00"},
		{"1h30m", false, "2026-11-21T17:52:14+01:00"},
		{"2d", false, "2026-11-19T19:22:14+01:00"},
		{"0s", false, "2026-11-21T19:22:14+01:00"},
		{"2026-11-20", false, "2026-11-20T00:00:00+01:00"},
		{"2026-11-20 08:15", false, "2026-11-20T08:15:00+01:00"},
		{"2026-11-20T08:15:59", false, "2026-11-20T08:15:59+01:00"},
		{"2026-11-20T08:15:59Z", false, "2026-11-20T08:15:59Z"},
		{"2026-11-20T08:15:59.5+02:00", false, "2026-11-20T08:15:59+02:00"},
		{"2026-11-20T08:15:59.123456+0000", false, "2026-11-20T08:15:59Z"},
		{"-5m", false, ""},
		{"5", false, ""},
		{"today", false, "2026-11-21T00:00:00+01:00"},
		{"yesterday", false, "2026-11-20T00:00:00+01:00"},
		{"yesterday", true, ""},
		{"tomorrow", false, ""},
		{"999999999d", false, ""},
		{"", false, ""},
	} {
		got, err := parseWhen("--since", c.text, now, c.ahead)
		if text := got.Format(time.RFC3339); err == nil && text != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q: %s, %v; want %s", c.text, text, err, c.want)
		}
	}
	for text, want := range map[string]time.Duration{"60s": time.Minute, "2d": 48 * time.Hour, "0s": 0, "": 0, "d": 0, "1w": 0} {
		if d, err := parseFor("--for", text); d != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
}
