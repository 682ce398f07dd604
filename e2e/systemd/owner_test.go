package systemd_test

import (
	"encoding/json"
	"strings"
	"time"
)

const silentRule = `
[[rule]]
name      = "silent"
action    = "block"
direction = "out"
protocol  = "tcp"
port      = 2323
`

// A service that talks to whom it may not is named in the log, and pfw connections shows it. pfwd is not root here: what
// it may see of other processes it owes to its capabilities.
func (b *booted) whoSent() {
	b.write("etc/pfw/firewall.toml", b.shipped()+silentRule)
	b.run("systemctl", "reload", "pfwd")
	// Not answered, so it tries for a while.
	b.run("systemd-run", "--unit=test-caller", "bash", "-c", "exec 3<>/dev/tcp/"+remoteIP+"/2323")
	pid := b.run("systemctl", "show", "--property=MainPID", "--value", "test-caller")
	entry := b.journalEntry("PFW_RULE=silent")
	for field, want := range map[string]string{
		"PFW_UNIT": "test-caller.service",
		"PFW_PID":  pid,
		"PFW_UID":  "0",
		"PFW_USER": "root",
	} {
		if got := entry[field]; got != want {
			b.t.Errorf("%s in the journal is %v, want %s", field, got, want)
		}
	}
	if exe, _ := entry["PFW_EXE"].(string); !strings.HasSuffix(exe, "/bash") {
		b.t.Errorf("PFW_EXE in the journal is %q", exe)
	}
	b.has(b.run("pfw", "connections"), "BLOCKED silent")
	c := b.connection("test-caller.service")
	if c.State != "syn-sent" || c.Direction != "out" || c.Rule != "silent" || c.User != "root" || !strings.HasSuffix(c.Exe, "/bash") {
		b.t.Errorf("pfw connections says %+v", c)
	}
	b.run("systemctl", "stop", "test-caller")
	b.write("etc/pfw/firewall.toml", b.shipped())
	b.run("systemctl", "reload", "pfwd")
}

// socket is what a reader outside of the project knows of a socket.
type socket struct {
	State, Direction, Exe, User, Unit, Verdict, Rule string
}

// connection waits for a socket of a unit.
func (b *booted) connection(unit string) (found socket) {
	b.t.Helper()
	b.await(10*time.Second, "a socket of "+unit, func() bool {
		var answer struct{ Connections []socket }
		if err := json.Unmarshal([]byte(b.run("pfw", "connections", "--json")), &answer); err != nil {
			b.t.Fatalf("pfw connections --json: %v", err)
		}
		for _, c := range answer.Connections {
			if c.Unit == unit {
				found = c
				return true
			}
		}
		return false
	})
	return found
}
