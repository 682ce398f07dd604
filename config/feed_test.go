package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	feedURL  = "https://key:secret@example.org/list.txt?token=hidden"
	feedText = "[list.feed]\nurl = \"" + feedURL + "\"\nrefresh = \"6h\"\n[[rule]]\nname = \"feed\"\naction = \"block\"\ndirection = \"in\"\nremote = \"@feed\"\n"
)

// cached loads a file with a cache, in which a list has a copy.
func cached(t *testing.T, text, copy string) (*Config, error) {
	t.Helper()
	cache := t.TempDir()
	if copy != "" {
		put(t, CopyOf(cache, "feed", feedURL), copy)
	}
	return Load(rootFile, Options{Source: machine(text), Now: now, Cache: cache})
}

func TestAListFromTheNetIsItsCopy(t *testing.T) {
	c, err := cached(t, feedText, "192.0.2.0/24\nsome words\n"+strings.Repeat("198.51.100.7\n", 100))
	if err != nil {
		t.Fatal(err)
	}
	l := c.Lists[0]
	got := fmt.Sprint(l.Source, " ", l.Entries, l.Ranges, l.SkippedLines, l.File, l.Rules)
	if want := "https://example.org/list.txt?… 101 2 [2] false [feed]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if *l.Feed != (Feed{URL: feedURL, Refresh: 6 * time.Hour}) {
		t.Errorf("%+v", *l.Feed)
	}
	if w := c.Warnings; len(w) != 1 || place(w[0]) != "2:7: [list.feed] url: 1 of 102 lines skipped, as they are no addresses; the first is line 2" {
		t.Errorf("%v", w)
	}
	if !l.Set.Contains(netip.MustParseAddr("192.0.2.9")) {
		t.Error("it is not in force")
	}
}

// A list from the net keeps no policy from coming into force.
func TestAListWithoutACopyIsEmpty(t *testing.T) {
	for _, c := range []struct{ copy, want string }{
		{"", "the list was never fetched, so it is empty"},
		{"some\nwords\n", "what was fetched is no list, so it is empty: 2 of 2 lines are no addresses, more than 1 %, the first is line 1: \"some\""},
		{"0.0.0.0 example.org\n", "what was fetched is no list, so it is empty: line 1 is a line of a hosts file"},
		{"192.0.2.0/24\n::/0\n", "what was fetched is no list, so it is empty: it holds every address of IPv6"},
		{"0.0.0.0/1\n128.0.0.0-255.255.255.255\n", "what was fetched is no list, so it is empty: it holds every address of IPv4"},
	} {
		got, err := cached(t, feedText, c.copy)
		if err != nil {
			t.Errorf("%q: %v", c.copy, err)
			continue
		}
		if l := got.Lists[0]; !l.Feed.Missing || l.Entries != 0 || l.SkippedLines == nil {
			t.Errorf("%q: %+v", c.copy, l)
		}
		if w := got.Warnings; len(w) != 1 || place(w[0]) != "2:7: [list.feed] url: "+c.want {
			t.Errorf("%q: %v", c.copy, w)
		}
	}
	// Not one that is to be judged.
	fresh := filepath.Join(t.TempDir(), "fresh")
	put(t, fresh, "some\nwords\n")
	_, err := Load(rootFile, Options{Source: machine(feedText), Now: now, Cache: filepath.Dir(fresh), Fresh: map[string]string{CopyOf(filepath.Dir(fresh), "feed", feedURL): fresh}})
	var bad *Errors
	if !errors.As(err, &bad) || place(bad.Problems[0]) != `2:7: [list.feed] url: 2 of 2 lines are no addresses, more than 1 %, the first is line 1: "some"` {
		t.Errorf("got %v", err)
	}
}

func TestAUsualListIsFetchedOnceADay(t *testing.T) {
	c, err := cached(t, "[list.feed]\nurl = \"http://example.org\"\ninsecure = true\n", "")
	if err != nil || c.Lists[0].Feed.Refresh != 24*time.Hour || !c.Lists[0].Feed.Insecure {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = cached(t, "[list.feed]\nurl = \"https://example.org\"\nrefresh = \"1m\"\n", "")
	if err != nil || len(c.Warnings) != 2 || !strings.Contains(c.Warnings[1].Message, "every 15 minutes") {
		t.Errorf("%+v, %v", c, err)
	}
}

// Of what an empty list is in the way of, nothing is said that is wrong once it is there.
func TestARuleWithoutItsListIsNotHidden(t *testing.T) {
	c, err := cached(t, "[[rule]]\nname = \"first\"\naction = \"block\"\ndirection = \"in\"\nremote = \"192.0.2.1\"\n"+feedText, "")
	if err != nil || len(c.Warnings) != 1 {
		t.Errorf("%v, %v", c.Warnings, err)
	}
}

// Which expectations a list could fulfil that was never fetched.
func TestExpectationsThatAListCouldFulfil(t *testing.T) {
	const rules = "[list.feed]\nurl = \"https://example.org\"\n" +
		"[[rule]]\nname = \"listed\"\naction = %q\ndirection = \"in\"\nremote = %q\nprotocol = \"tcp\"\nport = 22\n" +
		"[[rule]]\nname = \"rest\"\naction = %q\ndirection = \"in\"\nprotocol = \"tcp\"\nport = 22\n" +
		"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :22\"\nverdict = %q\n"
	for _, c := range []struct {
		action, remote, rest, want string
		valid                      bool
	}{
		{"block", "@feed", "allow", "allow", true},
		{"block", "@feed", "allow", "block", true},
		{"block", "@feed", "allow", "reject", false},
		{"allow", "@feed", "block", "allow", true},
		{"reject", "@feed", "block", "allow", false},
		{"allow", "!@feed", "block", "block", true},
		{"block", "!@feed", "allow", "allow", true},
		{"block", "!@feed", "allow", "block", true},
	} {
		_, err := cached(t, fmt.Sprintf(rules, c.action, c.remote, c.rest, c.want), "")
		if (err == nil) != c.valid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What is read again is what was read, but for what was fetched.
func TestRuleFilesAreReadAgainAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	root, cache := filepath.Join(dir, "firewall.toml"), filepath.Join(dir, "cache")
	for _, d := range []string{"firewall.d", "cache"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, root, feedText+"[list.file]\nfile = \"file.txt\"\n[[rule]]\nname = \"file\"\naction = \"block\"\ndirection = \"out\"\nremote = [\"@file\", \"@lan\"]\nuser = \"root\"\n")
	put(t, filepath.Join(dir, "firewall.d/a.toml"), "[[rule]]\nname = \"more\"\naction = \"allow\"\ndirection = \"in\"\nport = \"ssh\"\n")
	put(t, filepath.Join(dir, "file.txt"), "some words\n"+strings.Repeat("192.0.2.1\n", 100))
	put(t, CopyOf(cache, "feed", feedURL), "198.51.100.1\n")
	first, err := Load(root, Options{Cache: cache, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{root: "not valid", filepath.Join(dir, "file.txt"): "192.0.2.2\n", filepath.Join(dir, "firewall.d/b.toml"): "nor this"} {
		put(t, path, text)
	}
	for _, text := range []string{"198.51.100.2\n198.51.100.3\n", "198.51.100.4\n"} {
		put(t, CopyOf(cache, "feed", feedURL)+".next", text)
		if err := os.Rename(CopyOf(cache, "feed", feedURL)+".next", CopyOf(cache, "feed", feedURL)); err != nil {
			t.Fatal(err)
		}
		again, err := Load("", Options{Again: first.Standing, Cache: cache, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if again.Snapshot != nil || len(again.Lists) != 3 || len(again.Policy.Rules()) != 3 {
			t.Errorf("%+v", again)
		}
		for i, l := range again.Lists {
			was := first.Lists[i]
			if l.Feed != nil {
				if l.Entries != strings.Count(text, "\n") {
					t.Errorf("%+v", l)
				}
				continue
			}
			if fmt.Sprint(l.Name, l.Source, l.File, l.Entries, l.SkippedLines, l.Rules) != fmt.Sprint(was.Name, was.Source, was.File, was.Entries, was.SkippedLines, was.Rules) {
				t.Errorf("%+v\nwas %+v", l, was)
			}
		}
		if fmt.Sprint(again.Warnings) != fmt.Sprint(first.Warnings) {
			t.Errorf("%v\nwere %v", again.Warnings, first.Warnings)
		}
		first = again
	}
}

// FuzzURL: what is taken is http or https, and what is shown of it has no secrets.
func FuzzURL(f *testing.F) {
	for _, s := range []string{feedURL, "http://[::1]:80/", "https://x", "https:///", "https://a@b@c/?", "file:///x", "//x", "https://x:/", "https://%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, w := parseURL(s, true)
		if w != nil {
			return
		}
		if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
			t.Errorf("%q is taken", s)
		}
		if text := shownURL(u); u.RawQuery != "" && !strings.HasSuffix(text, "?…") || u.User != nil && strings.Contains(text, "@") && !strings.Contains(u.Path, "@") {
			t.Errorf("%q is shown as %q", s, text)
		}
	})
}

// A copy that is lost while its list is in force does not empty the list when another is fetched.
func TestListsThatWereNotFetchedAreAsTheyWere(t *testing.T) {
	cache := t.TempDir()
	const other = "https://example.org/other"
	text := feedText + "[list.other]\nurl = \"" + other + "\"\n[[rule]]\nname = \"other\"\naction = \"block\"\ndirection = \"in\"\nremote = \"@other\"\n"
	put(t, CopyOf(cache, "feed", feedURL), "192.0.2.1\n")
	put(t, CopyOf(cache, "other", other), strings.Repeat("198.51.100.1\n", 200)+"some words\n")
	c, err := Load(rootFile, Options{Source: machine(text), Now: now, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(CopyOf(cache, "other", other)); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(cache, "fresh")
	for n := 1; n < 3; n++ {
		put(t, fresh, strings.Repeat("192.0.2.1\n", n))
		again, err := Load("", Options{Again: c.Standing, Now: now, Cache: cache, Fresh: map[string]string{CopyOf(cache, "feed", feedURL): fresh}})
		if err != nil {
			t.Fatal(err)
		}
		feed, lost := again.Lists[0], again.Lists[1]
		if feed.Entries != n || lost.Entries != 200 || lost.Feed.Missing || fmt.Sprint(lost.Rules) != "[other]" || fmt.Sprint(again.Warnings) != fmt.Sprint(c.Warnings) {
			t.Errorf("%+v\n%+v\n%v", feed, lost, again.Warnings)
		}
		c = again
	}
}
