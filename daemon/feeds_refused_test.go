package daemon

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pfw/config"
	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

func copyOf(d *hosts.Daemon) string {
	return config.CopyOf(filepath.Join(d.Dir, "state", "lists"), "feed", feedURL)
}

// What does not come, or is no list, changes nothing and is told.
func TestWhatIsNotTakenLeavesTheListAsItIs(t *testing.T) {
	const five = "192.0.2.7\n198.51.100.1\n198.51.100.3\n198.51.100.5\n198.51.100.7\n"
	d, remote, web := fed(t, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :80\"\nverdict = \"allow\"\n", five)
	for _, c := range []struct{ text, why string }{
		{"<html>\n<p>Please log in\n", "2 of 2 lines are no addresses, more than 1 %"},
		{five + "some words\n", "1 of 6 lines are no addresses, more than 1 %"},
		{five + "0.0.0.0 ads.example.org\n", "line 6 is a line of a hosts file"},
		{"198.51.100.1\n198.51.100.3\n", "it has shrunk from 5 entries to 2, less than half"},
		{"", "it has shrunk from 5 entries to 0, less than half"},
		{five + "203.0.113.0/24\n", `want allow, got block by rule "feed"`},
	} {
		web.gives(c.text)
		fails(t, d, c.why)
		if connects(t, remote, "192.0.2.10:80") {
			t.Errorf("%s: what was listed before gets in", c.why)
		}
		if l := feedOf(t, d); l.Entries != 5 {
			t.Errorf("%s: %+v", c.why, l)
		}
	}
	web.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	fails(t, d, "the server answers 503 Service Unavailable")
	if err := web.server.Close(); err != nil {
		t.Error(err)
	}
	fails(t, d, "connection refused")
	if s := pfw(t, d, "status"); !strings.Contains(s, "stay in force as they are: @feed not since 20") {
		t.Error(s)
	}
	// Over a restart, too.
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	if l := feedOf(t, d); l.Entries != 5 || !strings.Contains(l.Error, "connection refused") || connects(t, remote, "192.0.2.10:80") {
		t.Errorf("after a crash: %+v", l)
	}
}

func TestFullDiskLeavesListsAsTheyAre(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	d := hosts.Prepare(t, local, feedFile)
	free := fill(t, d)
	start(t, d)
	long := "192.0.2.7\n" + strings.Repeat("# a long way to say nothing\n", 2000)
	web.gives(long)
	fails(t, d, "no space left on device")
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("half a list is in force")
	}
	free()
	web.gives("192.0.2.7\n")
	refreshes(t, d)
	reload(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in")
	}
	if s := statusOf(t, d); s.State != api.OK {
		t.Errorf("%+v", s.Faults)
	}
}

// The rules hold, in whatever condition the copy is.
func TestACopyThatIsNoListIsEmpty(t *testing.T) {
	d, remote, _ := fed(t, feedFile, "192.0.2.7\n")
	secret := filepath.Join(d.Dir, "secret")
	if err := os.WriteFile(secret, []byte("192.0.2.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func() error{
		"gone":        func() error { return nil },
		"garbage":     func() error { return os.WriteFile(copyOf(d), []byte("\x00\xff garbage\n"), 0o600) },
		"a link":      func() error { return os.Symlink(secret, copyOf(d)) },
		"a pipe":      func() error { return d.Host.Command("mkfifo", copyOf(d)).Run() },
		"a directory": func() error { return os.Mkdir(copyOf(d), 0o700) },
	} {
		if err := d.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(copyOf(d)); err != nil {
			t.Fatal(err)
		}
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		start(t, d)
		if !connects(t, remote, "192.0.2.10:80") {
			t.Errorf("%s: it is read", what)
		}
		if s := pfw(t, d, "status"); !strings.Contains(s, "lists that were never fetched are empty: @feed, rule feed stops nobody by it") {
			t.Errorf("%s:\n%s", what, s)
		}
		if err := os.RemoveAll(copyOf(d)); err != nil {
			t.Fatal(err)
		}
		refreshes(t, d)
		if connects(t, remote, "192.0.2.10:80") {
			t.Errorf("%s: what is listed gets in", what)
		}
	}
}
