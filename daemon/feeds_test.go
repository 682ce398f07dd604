package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pfw/config"
	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

const feedURL = "http://192.0.2.10:8000/feed"

// feedFile blocks what is in a list from the net, and lets in to port 80 and to the server of the list.
const feedFile = blockAll + `
[list.feed]
url = "` + feedURL + `"
insecure = true
[[rule]]
name = "feed"
action = "block"
direction = "in"
remote = "@feed"
[[rule]]
name = "web"
action = "allow"
direction = "in"
protocol = "tcp"
port = [80, 8000]
`

// site is a server of lists that a test has answer as it likes.
type site struct {
	handler atomic.Pointer[http.HandlerFunc]
	server  *http.Server
}

// serveLists makes one on a host.
func serveLists(t *testing.T, h *hosts.Host) *site {
	t.Helper()
	l, err := h.Listen("tcp", ":8000")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{}
	s.gives("")
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load())(w, r) })}
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(l) }()
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return s
}

func (s *site) does(h http.HandlerFunc) { s.handler.Store(&h) }

// gives has it answer a text.
func (s *site) gives(text string) {
	s.does(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text) // who asked may be gone
	})
}

// refresh has the list fetched, and gives what became of it.
func refresh(t *testing.T, d *hosts.Daemon, args ...string) (out string, err error) {
	t.Helper()
	out, err = d.Pfw(append([]string{"lists", "refresh"}, args...)...)
	if err != nil {
		out += err.Error()
	}
	return out, err
}

// refreshes wants it to be put in force.
func refreshes(t *testing.T, d *hosts.Daemon, args ...string) {
	t.Helper()
	if out, err := refresh(t, d, args...); err != nil {
		t.Fatal(out)
	}
}

// fails wants it not to be, with exit status 1 and a reason that all who ask are told.
func fails(t *testing.T, d *hosts.Daemon, why string, args ...string) {
	t.Helper()
	out, err := refresh(t, d, args...)
	if hosts.ExitCode(err) != 1 || !strings.Contains(out, why) {
		t.Errorf("exit status %d, want 1 and %q:\n%s", hosts.ExitCode(err), why, out)
	}
	if l := feedOf(t, d); !strings.Contains(l.Error, why) {
		t.Errorf("pfw lists has the error %q, want %q", l.Error, why)
	}
	if s := pfw(t, d, "status"); !strings.Contains(s, why) || !strings.Contains(s, "fault") {
		t.Errorf("%q is no fault of pfw status:\n%s", why, s)
	}
}

func feedOf(t *testing.T, d *hosts.Daemon) api.List {
	t.Helper()
	var v api.Lists
	if err := json.Unmarshal([]byte(pfw(t, d, "lists", "--json")), &v); err != nil {
		t.Fatal(err)
	}
	return v.Lists[0]
}

func statusOf(t *testing.T, d *hosts.Daemon) (s api.Status) {
	t.Helper()
	if err := json.Unmarshal([]byte(pfw(t, d, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func copyOf(d *hosts.Daemon) string {
	return config.CopyOf(filepath.Join(d.Dir, "state", "lists"), "feed", feedURL)
}

func TestAListFromTheNetIsInForceWithoutAReload(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	d := hosts.Run(t, local, feedFile)
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("a list that was never fetched blocks")
	}
	// What is edited meanwhile is for a reload.
	edit(t, d, strings.Replace(feedFile, "[80, 8000]", "8000", 1))
	before := statusOf(t, d)
	if before.State != api.Degraded {
		t.Errorf("state %s with a list that was never fetched", before.State)
	}
	web.gives("192.0.2.7\n")
	open, err := remote.Dial("tcp", "192.0.2.10:80", limit)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	refreshes(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in")
	}
	if err := open.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("an open connection that the list forbids goes on: %v", err)
	}
	web.gives("198.51.100.0/24\n")
	refreshes(t, d)
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed no more does not get in")
	}
	after := statusOf(t, d)
	if after.Generation != before.Generation || !after.Since.Equal(before.Since.Time) || after.State != api.OK {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	reload(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("the reload did not read the file")
	}
	if l := feedOf(t, d); l.Entries != 1 || l.Error != "" || l.Updated == nil {
		t.Errorf("after the reload: %+v", l)
	}
}

// What does not come, or is no list, changes nothing and is told.
func TestWhatIsNotTakenLeavesTheListAsItIs(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	d := hosts.Run(t, local, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :80\"\nverdict = \"allow\"\n")
	five := "192.0.2.7\n198.51.100.1\n198.51.100.3\n198.51.100.5\n198.51.100.7\n"
	web.gives(five)
	refreshes(t, d)
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

// Whoever fetches may be killed at any time.
func TestWhoFetchesIsKilled(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	web.gives("192.0.2.7\n")
	d := hosts.Run(t, local, feedFile)
	refreshes(t, d)
	asked, done := make(chan struct{}, 1), make(chan struct{})
	defer close(done)
	web.does(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-done:
		}
	})
	program, err := hosts.Program("./cmd/pfw")
	if err != nil {
		t.Fatal(err)
	}
	cmd := local.Command(program, "--socket", d.Socket, "lists", "refresh")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, "told that it was killed", limit, func() bool {
		return strings.Contains(pfw(t, d, "status"), "whoever fetched it was ended before it was done")
	})
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what was listed before gets in")
	}
	web.gives("192.0.2.7\n")
	refreshes(t, d)
	if s := statusOf(t, d); s.State != api.OK {
		t.Errorf("%+v", s)
	}
}

// A daemon that dies in the middle of it leaves the list of before or the new one, and its successor is content with either.
func TestKilledInTheMiddleOfARefresh(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	var lists [2]string
	for i := range lists {
		var b strings.Builder
		b.WriteString("192.0.2.7\n")
		for n := range 30_000 {
			fmt.Fprintf(&b, "10.%d.%d.%d\n", n>>15, n>>7&255, n&127*2+i*(n%50)/49)
		}
		lists[i] = b.String()
	}
	web.gives(lists[0])
	d := hosts.Run(t, local, feedFile)
	refreshes(t, d)
	for i := range 8 {
		web.gives(lists[(i+1)%2])
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = d.Pfw("lists", "refresh") // killed, as a rule
		}()
		time.Sleep(time.Duration(20+i*25) * time.Millisecond)
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		start(t, d)
		if connects(t, remote, "192.0.2.10:80") {
			t.Error("what both lists have gets in")
		}
		for _, f := range statusOf(t, d).Faults {
			if !strings.Contains(f.What, "not refreshed") {
				t.Errorf("after kill %d: %s", i, f.What)
			}
		}
		refreshes(t, d)
	}
	left, err := filepath.Glob(filepath.Join(d.Dir, "state", "lists", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("%v %q, want the copy and what is known of it", err, left)
	}
	if text := stderr(t, d); strings.Contains(text, "somebody else changed") {
		t.Error(text)
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
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	web.gives("192.0.2.7\n")
	d := hosts.Run(t, local, feedFile)
	refreshes(t, d)
	secret := filepath.Join(d.Dir, "secret")
	if err := os.WriteFile(secret, []byte("192.0.2.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func() error{
		"gone":        func() error { return nil },
		"garbage":     func() error { return os.WriteFile(copyOf(d), []byte("\x00\xff garbage\n"), 0o600) },
		"a link":      func() error { return os.Symlink(secret, copyOf(d)) },
		"a pipe":      func() error { return local.Command("mkfifo", copyOf(d)).Run() },
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

func TestLastGoodPolicyHasItsListsFromTheNet(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	web.gives("192.0.2.7\n")
	d := hosts.Run(t, local, feedFile)
	refreshes(t, d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	edit(t, d, bad)
	start(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in")
	}
	// It goes on being refreshed.
	web.gives("198.51.100.7\n")
	refreshes(t, d)
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed no more does not get in")
	}
}

func TestATrialGoesBackToTheListsOfNow(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web := serveLists(t, local)
	web.gives("198.51.100.7\n")
	d := hosts.Run(t, local, feedFile)
	refreshes(t, d)
	pfw(t, d, "try", candidate(t, d, feedFile+rule("more", "allow", "in", 81)))
	web.gives("192.0.2.7\n")
	refreshes(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in during a trial")
	}
	pfw(t, d, "revert")
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in after it")
	}
	// One with which it could not go back is not taken.
	edit(t, d, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :80\"\nverdict = \"allow\"\n")
	reload(t, d)
	pfw(t, d, "try", candidate(t, d, feedFile))
	web.gives("192.0.2.7\n203.0.113.0/24\n")
	fails(t, d, `want allow, got block by rule "feed"`)
	pfw(t, d, "revert")
	if n := len(statusOf(t, d).Lists); n != 1 {
		t.Errorf("%d lists", n)
	}
}

// An expectation that only a list could fulfil must not keep a machine without rules because a server cannot be reached.
func TestExpectationsOfAListThatWasNeverFetchedAreNotJudged(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :80\"\nverdict = \"block\"\n")
	// It says so once it is ready.
	eventually(t, "warned", limit, func() bool { return strings.Contains(stderr(t, d), "not judged, as list @feed was never fetched") })
	// Others are.
	edit(t, d, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :81\"\nverdict = \"allow\"\n")
	if err := d.Reload(); hosts.ExitCode(err) != 5 {
		t.Errorf("got %v", err)
	}
}

// A list is what its URL gives, and no copy of what another gave.
func TestAnotherURLIsAnotherList(t *testing.T) {
	local := hosts.New(t, "local")
	web := serveLists(t, local)
	web.gives("192.0.2.7\n")
	at := strings.Replace(feedFile, "192.0.2.10", "127.0.0.1", 1)
	d := hosts.Run(t, local, at)
	refreshes(t, d)
	edit(t, d, strings.Replace(at, "/feed", "/other", 1))
	reload(t, d)
	if l := feedOf(t, d); l.Entries != 0 || l.Updated != nil {
		t.Errorf("%+v", l)
	}
	edit(t, d, at)
	reload(t, d)
	if l := feedOf(t, d); l.Entries != 1 || l.Updated == nil {
		t.Errorf("back again: %+v", l)
	}
}
