package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// A ban that a rule made in the kernel is told of at once, ends what is open, and goes on with its rule over all that becomes of pfwd.
func TestBansOfARuleOutliveTheDaemon(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	const rules = `
[[rule]]
name      = "knock"
action    = "block"
direction = "in"
protocol  = "tcp"
port      = 81
ban       = { over = "2/hour", for = "1h" }
`
	d := hosts.Run(t, local, letIn+rules)
	in, out := stream(t, remote, local, "192.0.2.10:82"), stream(t, local, remote, "192.0.2.7:83")
	knock(t, remote, "192.0.2.10", 81, 1)
	knock(t, remote, "192.0.2.10", 81, 1)
	if err := in.Alive(limit); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	knock(t, remote, "192.0.2.10", 81, 1)
	e, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.EventType == "ban" && e.SrcIP == "192.0.2.7" })
	if err != nil || e.PFW.Rule != "knock" || !strings.Contains(e.PFW.Reason, "bans over 2/hour") {
		t.Fatal(err, e.Line)
	}
	t.Logf("told after %s", time.Since(began))
	for direction, port := range map[string]uint16{"in": 82, "out": 83} {
		if _, err := d.WaitEntry(limit, isCut("banned", direction, port)); err != nil {
			t.Error(err)
		}
	}
	t.Logf("cut after %s", time.Since(began))
	if in.Alive(shortly) == nil || out.Alive(shortly) == nil || connected4(t, local, "192.0.2.7") {
		t.Error("an open connection goes on")
	}
	before := bansOf(t, d)
	for what, end := range map[string]func() error{
		"reload": d.Reload,
		"crash":  d.Kill,
		"stop":   d.Stop,
		"reboot": func() error {
			defer nft(t, local, "delete table inet pfw")
			return d.Kill()
		},
	} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if what != "reload" {
			start(t, d)
		}
		after := bansOf(t, d)
		if len(after) != 1 || after[0].Rule != "knock" || fmt.Sprint(texts(after)) != fmt.Sprint(texts(before)) {
			t.Errorf("%s: %+v, and before %+v", what, after, before)
		}
		if connects(t, remote, "192.0.2.10:80") || !connects(t, remote, "[2001:db8::10]:80") {
			t.Errorf("%s: it is not the remote that is banned", what)
		}
	}
}
