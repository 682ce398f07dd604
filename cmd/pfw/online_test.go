package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

const before = `
[[rule]]
name = "ssh"
action = "allow"
direction = "in"
protocol = "tcp"
port = "ssh"
[log]
journal = false
`

const after = before + `
[[rule]]
name = "no-telnet"
action = "reject"
direction = "out"
protocol = "tcp"
port = 23
comment = "old doors"
[[rule]]
name = "again"
action = "allow"
direction = "in"
protocol = "tcp"
port = 22
`

// ask runs pfw against the daemon, wants an exit status and gives both outputs.
func ask(t *testing.T, d *hosts.Daemon, want int, args ...string) (out, complaint string) {
	t.Helper()
	out, err := d.Pfw(args...)
	if err != nil {
		complaint = err.Error()
	}
	if got := hosts.ExitCode(err); got != want {
		t.Errorf("pfw %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got, want, out, complaint)
	}
	return out, complaint
}

func has(t *testing.T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile("(?m)" + pattern).MatchString(text) {
		t.Errorf("%s is not in:\n%s", pattern, text)
	}
}

// The verbs against a real daemon, from start to stop.
func TestOnline(t *testing.T) {
	hosts.Need(t, "nft")
	host := hosts.New(t, "laptop")
	d := hosts.Run(t, host, before)

	out, _ := ask(t, d, 0, "status")
	has(t, out, `^● protected since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(less than a minute\)$`)
	has(t, out, `^policy    `+regexp.QuoteMeta(d.Config)+`, 1 rule, generation \d+$`)
	has(t, out, `^faults    none$`)
	if n := strings.Count(out, "\n"); n > 24 {
		t.Errorf("%d lines do not fit a screen", n)
	}
	var first, second api.Status
	decode(t, d, &first, "status")

	if err := d.Edit(after); err != nil {
		t.Fatal(err)
	}
	out, _ = ask(t, d, 0, "reload")
	has(t, out, `^policy in force: 3 rules, generation \d+$`)
	decode(t, d, &second, "status")
	if second.Generation <= first.Generation || second.Rules != 3 {
		t.Errorf("before %+v\nafter %+v", first, second)
	}

	out, _ = ask(t, d, 0, "rules", "--all")
	has(t, out, `^RULE +WHAT IT DOES +PACKETS +BYTES +LAST MATCH\nloopback `)
	has(t, out, `\nssh +allow in tcp port 22 +0 +0 B  never\nno-telnet +reject out tcp port 23  # old doors +0 +0 B  never\nagain `)
	has(t, out, `\ndefault +block in what no rule matches +\d+ .*\ndefault +allow out what no rule matches `)

	out, _ = ask(t, d, 0, "explain", "out", "tcp", "to", "192.0.2.1:23")
	has(t, out, `^REJECT  out tcp -> 192.0.2.1:23\nrule no-telnet rejects tcp port 23 \(`+regexp.QuoteMeta(d.Config)+`:\d+\)$`)
	offline, _ := ask(t, d, 0, "explain", "--config", d.Config, "out", "tcp", "to", "192.0.2.1:23")
	if out != offline {
		t.Errorf("the daemon says\n%swithout it\n%s", out, offline)
	}
	_, complaint := ask(t, d, 2, "explain", "up", "tcp", "to", ":23")
	has(t, complaint, `unknown direction "up"`)

	script, _ := ask(t, d, 0, "show", "--nft")
	has(t, script, `^table inet pfw \{$`)
	loads(t, script)
	out, _ = ask(t, d, 0, "show")
	has(t, out, `^rules     3: 2 in, 1 out$`)

	refusals(t, d, second)

	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	_, complaint = ask(t, d, 3, "status")
	has(t, complaint, `^pfw: pfwd is not reachable: `)
}

// refusals tries files that must change nothing.
func refusals(t *testing.T, d *hosts.Daemon, was api.Status) {
	secret := filepath.Join(filepath.Dir(d.Config), "secret.txt")
	if err := os.WriteFile(secret, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config string
		code   int
		says   string
	}{
		{before + "[[rule]]\nname = \"x\"\nactoin = \"block\"\ndirection = \"in\"\n", 4, `firewall.toml:\d+:1: rule "x": actoin: unknown key "actoin"\n    actoin = "block"\n    \^\n  hint: did you mean "action"\?`},
		{before + "[[expect]]\npacket = \"in tcp 192.0.2.7 -> :23\"\nverdict = \"allow\"\n", 5, `firewall.toml:\d+:\d+: .*want allow, got block`},
		{before + "[list.a]\nfile = \"secret.txt\"\n", 4, `secret.txt`},
	} {
		if err := d.Edit(c.config); err != nil {
			t.Fatal(err)
		}
		_, complaint := ask(t, d, c.code, "reload")
		has(t, complaint, c.says)
		if strings.Contains(complaint, "hunter2") {
			t.Errorf("a line of a file went over the socket:\n%s", complaint)
		}
		answer, _ := ask(t, d, c.code, "reload", "--json")
		var p api.Problem
		if err := json.Unmarshal([]byte(answer), &p); err != nil || p.Status != 422 || strings.Contains(answer, "hunter2") {
			t.Errorf("%v: %s", err, answer)
		}
		var is api.Status
		decode(t, d, &is, "status")
		if is.Generation != was.Generation || is.Rules != was.Rules || is.State != api.Degraded {
			t.Errorf("before %+v\nafter %+v", was, is)
		}
	}
	out, _ := ask(t, d, 0, "status")
	has(t, out, `^● in force, but with 1 fault, since `)
	if err := d.Edit(after); err != nil {
		t.Fatal(err)
	}
	ask(t, d, 0, "reload")
	out, _ = ask(t, d, 0, "status")
	has(t, out, `^● protected since `)
}

func decode(t *testing.T, d *hosts.Daemon, into any, verb string) {
	t.Helper()
	out, _ := ask(t, d, 0, verb, "--json")
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("pfw %s --json: %v: %s", verb, err, out)
	}
}

// loads has nft load a script on a host of its own.
func loads(t *testing.T, script string) {
	t.Helper()
	nft := hosts.New(t, "spare").Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(script)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Errorf("nft -f: %v\n%s", err, out)
	}
}
