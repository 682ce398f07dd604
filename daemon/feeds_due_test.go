package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
	for _, c := range [][2]string{{"a\n  b\tc\r\n", "a b c"}, {"\xff", "?"}, {"", ""}, {"for \x1b[2Jä\u202e\x00", "for ?[2Jä??"}} {
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

// Lists that nobody fetches are told of, and so is what helps.
func TestListsThatNobodyFetchesAreTold(t *testing.T) {
	cache := t.TempDir()
	path := filepath.Join(t.TempDir(), "firewall.toml")
	text := ""
	for _, name := range []string{"fresh", "late", "broken", "none"} {
		text += fmt.Sprintf("[list.%s]\nurl = \"https://example.org/%s\"\nrefresh = \"6h\"\n", name, name)
		if name == "none" {
			continue
		}
		if err := os.WriteFile(config.CopyOf(cache, name, "https://example.org/"+name), []byte("192.0.2.1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, action := range []string{"block", "allow", "reject", "block", "block"} {
		text += fmt.Sprintf("[[rule]]\nname = \"rule%d\"\naction = %q\ndirection = \"in\"\nprotocol = \"tcp\"\nport = %d\nremote = \"@none\"\n", i, action, i+1)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	p := &force{policy: c.Policy, lists: c.Lists}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	f := &feeds{d: &Daemon{faults: newFaults()}, known: map[string]feedState{}}
	for _, l := range p.feeds() {
		f.known[keyOfFeed(l)] = feedState{}.succeeded(l, now)
	}
	broken := p.feed("broken")
	f.known[keyOfFeed(broken)] = f.known[keyOfFeed(broken)].failed(broken, now.Add(time.Hour), "no answer", "do this")
	fresh := p.feed("fresh")
	f.known[keyOfFeed(fresh)] = feedState{}.succeeded(fresh, now.Add(20*time.Hour))
	f.judge(p, now.Add(20*time.Hour))
	for k, want := range map[fault]string{
		unfetched:   "lists that were never fetched are empty: @none, rules rule0, rule2, rule3 and 1 more stop nobody by it, rule rule1 lets nobody in or out by it",
		unrefreshed: "lists from the net are not refreshed, and stay in force as they are: @late not since 2026-11-21 12:00:00, as nobody tried; @broken not since 2026-11-21 12:00:00: no answer",
	} {
		if got, _ := f.d.faults.what(k); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f.judge(&force{policy: c.Policy}, now)
	if list := f.d.faults.list(); len(list) > 0 {
		t.Errorf("left: %+v", list)
	}
}

func TestTextsLeftBehindAreRemovedWhateverTheirDirectoryIsCalled(t *testing.T) {
	d := &Daemon{o: Options{StateDir: filepath.Join(t.TempDir(), "a[b")}, log: slog.New(slog.DiscardHandler)}
	left := filepath.Join(cacheOf(d.o.StateDir), "feed.01234567.X"+freshEnd)
	if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("192.0.2.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	newFeeds(d)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

func TestTimesOfListsThatAreDamagedAreNone(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "{", `{"feed": 1}`} {
		d := &Daemon{o: Options{StateDir: t.TempDir()}, log: slog.New(slog.DiscardHandler)}
		path := filepath.Join(cacheOf(d.o.StateDir), "state.json")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		f := newFeeds(d)
		if f.known == nil || len(f.known) > 0 {
			t.Errorf("%q: %v", text, f.known)
		}
	}
}
