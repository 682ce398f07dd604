package daemon

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

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

// fed runs a firewall whose list from the net is this text: what is in it does not get in to port 80, and others do.
func fed(t *testing.T, file, text string) (d *hosts.Daemon, remote *hosts.Host, web *site) {
	t.Helper()
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	web = serveLists(t, local)
	web.gives(text)
	d = hosts.Run(t, local, file)
	refreshes(t, d)
	return d, remote, web
}

func feedOf(t *testing.T, d *hosts.Daemon) api.List {
	t.Helper()
	var v api.Lists
	if err := json.Unmarshal([]byte(pfw(t, d, "lists", "--json")), &v); err != nil {
		t.Fatal(err)
	}
	return v.Lists[0]
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
