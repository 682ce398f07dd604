package systemd_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const feedRules = `
[list.feed]
url      = "http://192.0.2.7:8000/feed.txt"
insecure = true
refresh  = "1h"

[[rule]]
name      = "feed"
action    = "block"
direction = "in"
remote    = "@feed"

[[rule]]
name      = "fetch"
action    = "allow"
direction = "out"
protocol  = "tcp"
port      = 8000
user      = "pfw-lists"

[[rule]]
name      = "nobody-else"
action    = "reject"
direction = "out"
protocol  = "tcp"
port      = 8000

`

// listsFromNet has the unit and the timer fetch a list, in their sandbox, as a user who may do nothing else.
func (b *booted) listsFromNet() {
	b.listen("8080")
	l, err := b.remote.Listen("tcp", "192.0.2.7:8000")
	if err != nil {
		b.t.Fatal(err)
	}
	var text atomic.Pointer[string]
	set := func(s string) { text.Store(&s) }
	set(remoteIP + "\n")
	agents := make(chan string, 16)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents <- r.UserAgent()
		if _, err := io.WriteString(w, *text.Load()); err != nil {
			b.t.Error(err)
		}
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() {
		if err := server.Close(); err != nil {
			b.t.Error(err)
		}
		<-ended
	}()
	before := b.shipped() + extraRule
	b.write("etc/pfw/firewall.toml", feedRules+before)
	b.run("systemctl", "reload", "pfwd")
	b.has(b.run("pfw", "status"), "never fetched")
	generation := b.generation()
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("before the list is there: %v", err)
	}

	b.has(b.run("systemctl", "list-timers", "--all", "--no-pager"), "pfw-lists.timer")
	b.run("systemctl", "start", "pfw-lists.service")
	b.run("systemctl", "is-active", "pfw-lists.timer")
	if agent := <-agents; !strings.HasPrefix(agent, "pfw/") {
		b.t.Errorf("asked by %q", agent)
	}
	b.has(b.run("pfw", "lists"), "just now")
	if err := b.knock("8080"); !timedOut(err) {
		b.t.Errorf("after the list is there: %v, want no answer", err)
	}
	if after := b.generation(); after != generation {
		b.t.Errorf("generation %v, before the list was fetched %v", after, generation)
	}
	b.has(b.run("stat", "--format=%U:%G %a", "/var/lib/pfw/lists/state.json"), "pfw:pfw 640")

	// Not due, so not asked; asked by root, as the same user.
	b.run("systemctl", "start", "pfw-lists.service")
	select {
	case agent := <-agents:
		b.t.Errorf("asked again by %q", agent)
	default:
	}
	b.has(b.run("pfw", "lists", "refresh"), "as before")
	<-agents

	// A list that is gone is no failure of the unit.
	if err := server.Close(); err != nil {
		b.t.Error(err)
	}
	b.fail("pfw", "lists", "refresh")
	b.run("systemctl", "start", "pfw-lists.service")
	b.has(b.run("pfw", "status"), "connection refused")

	// Who fetches may do nothing else, and others not even that.
	as := func(user string) []string {
		return []string{"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "pfw"}
	}
	for _, c := range []struct {
		user   string
		args   []string
		wanted bool
	}{
		{"pfw-lists", []string{"status"}, false},
		{"pfw-lists", []string{"--socket=/run/pfw/lists.sock", "status"}, false},
		{"pfw-lists", []string{"--socket=/run/pfw/lists.sock", "reload"}, false},
		{"pfw-lists", []string{"--socket=/run/pfw/lists.sock", "lists", "refresh", "--due"}, true},
		{"daemon", []string{"--socket=/run/pfw/lists.sock", "lists", "refresh", "--due"}, false},
	} {
		line := append(as(c.user), c.args...)
		out, err := b.command(line[0], line[1:]...).CombinedOutput()
		if (err == nil) != c.wanted {
			b.t.Errorf("%v: %v\n%s", line, err, out)
		}
	}

	b.write("etc/pfw/firewall.toml", before)
	b.run("systemctl", "reload", "pfwd")
	b.await(10*time.Second, "reachable again", func() bool { return b.reach("8080") == nil })
}
