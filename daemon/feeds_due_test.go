package daemon

import (
	"testing"
	"time"

	"pfw/config"
)

// When a list is due: right after its interval, sooner where it failed, and never later because a clock was wrong.
func TestWhenAListIsDue(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	list := func(refresh time.Duration, missing bool) *config.List {
		return &config.List{Name: "feed", Feed: &config.Feed{Refresh: refresh, Missing: missing}}
	}
	daily := list(24*time.Hour, false)
	good := feedState{}.succeeded(daily, now)
	if spread := good.Next.Sub(now.Add(24 * time.Hour)).Abs(); spread > 72*time.Minute {
		t.Errorf("next %s after it was fetched", good.Next.Sub(now))
	}
	failed := good.failed(daily, now.Add(24*time.Hour), "no", "")
	again := failed.failed(daily, now.Add(25*time.Hour), "no", "")
	for _, c := range []struct {
		what  string
		state feedState
		list  *config.List
		at    time.Duration // after now
		want  time.Duration
	}{
		{"never fetched", feedState{}, list(time.Hour, true), 0, 0},
		{"fetched", good, daily, time.Hour, good.Next.Sub(now)},
		{"failed", failed, daily, 24 * time.Hour, 24*time.Hour + 15*time.Minute},
		{"failed twice", again, daily, 25 * time.Hour, 25*time.Hour + 30*time.Minute},
		{"the interval is shorter by now", good, list(time.Hour, false), time.Minute, time.Hour},
		{"the copy is gone", good, list(24*time.Hour, true), time.Minute, time.Minute},
		{"the clock was set back", good, daily, -48 * time.Hour, -48 * time.Hour},
	} {
		if got := c.state.due(c.list, now.Add(c.at)); !got.Equal(now.Add(c.want)) {
			t.Errorf("%s: due at %s, want %s", c.what, got, now.Add(c.want))
		}
	}
	for range 100 {
		again = again.failed(daily, now, "no", "")
	}
	if wait := again.Next.Sub(now); wait != 24*time.Hour {
		t.Errorf("after a hundred failures in %s", wait)
	}
	if s := again.succeeded(daily, now); s.Error != "" || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

// Who fetches is not trusted, nor are servers: an error of theirs is one line.
func TestErrorsOfOthersAreOneLine(t *testing.T) {
	for _, c := range [][2]string{{"a\n  b\tc\r\n", "a b c"}, {"\xff", "?"}, {"", ""}} {
		if got := legible(c[0]); got != c[1] {
			t.Errorf("%q: %q", c[0], got)
		}
	}
	long := ""
	for range 1000 {
		long += "ä"
	}
	if n := len([]rune(legible(long))); n != 300 {
		t.Errorf("%d characters", n)
	}
}
