package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// limit is how long a test waits for what comes at once on an idle machine.
const limit = 10 * time.Second

// What reloads do not interrupt goes on for people; a policy that lets everything in does interrupt it.
func TestProtectionGoesOnOverReloads(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	first := statusOf(t, d)
	reload(t, d)
	if s := statusOf(t, d); s.Protecting == nil || !s.Protecting.Equal(first.Protecting.Time) || !s.Since.After(first.Since.Time) {
		t.Errorf("protecting since %v, before the reload %v", s.Protecting, first.Protecting)
	}
	edit(t, d, letIn)
	reload(t, d)
	if s := statusOf(t, d); s.Protecting != nil {
		t.Errorf("protecting since %v, and all are let in", s.Protecting)
	}
	edit(t, d, telnet)
	reload(t, d)
	if s := statusOf(t, d); s.Protecting == nil || !s.Protecting.Equal(s.Since.Time) {
		t.Errorf("protecting since %v, again since %v", s.Protecting, s.Since)
	}
}

const (
	blockAll = "[log]\njournal = false\n"
	telnet   = blockAll + `
[[rule]]
name = "no-telnet"
action = "block"
direction = "in"
protocol = "tcp"
port = 23
`
	web = blockAll + `
[[rule]]
name = "web"
action = "allow"
direction = "in"
protocol = "tcp"
port = 80
`
	bad = "[default]\ninbound = \"drop\"\n"
)

// shortly is how long a test waits for what must not come.
const shortly = 1500 * time.Millisecond

// rule is a rule on a port of TCP.
func rule(name, action, direction string, port int) string {
	return fmt.Sprintf("\n[[rule]]\nname = %q\naction = %q\ndirection = %q\nprotocol = \"tcp\"\nport = %d\n", name, action, direction, port)
}

func reload(t *testing.T, d *hosts.Daemon) {
	t.Helper()
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
}

// table is what nft shows of the table, "" where there is none.
func table(t *testing.T, h *hosts.Host) string {
	t.Helper()
	out, err := h.Command("nft", "list", "table", "inet", "pfw").CombinedOutput()
	if err != nil && !strings.Contains(string(out), "No such file") {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	if err != nil {
		return ""
	}
	return string(out)
}

// connects tells whether a TCP connection from the remote host comes about.
func connects(t *testing.T, from *hosts.Host, address string) bool {
	t.Helper()
	c, err := from.Dial("tcp", address, 500*time.Millisecond)
	if err != nil {
		return false
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	return true
}

func statusOf(t *testing.T, d *hosts.Daemon) (s api.Status) {
	t.Helper()
	if err := json.Unmarshal([]byte(pfw(t, d, "status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func stderr(t *testing.T, d *hosts.Daemon) string {
	t.Helper()
	text, err := os.ReadFile(d.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadyMeansInForce(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, telnet)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("a connection comes in though the default is to block")
	}
	if err := d.WaitNotice("STATUS=1 rule in force, inbound block, outbound allow; since ", 0); err != nil {
		t.Errorf("%v among %q", err, d.Notices())
	}
	if !strings.Contains(stderr(t, d), "policy in force rules=1 inbound=block outbound=allow forward=ignore generation=1") {
		t.Errorf("the log does not say what is in force:\n%s", stderr(t, d))
	}
	e, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.EventType == "drop" && e.DestPort == 80 })
	if err != nil {
		t.Fatal(err)
	}
	if e.PFW.Rule != "default" || e.PFW.Reason != "no rule matches, and the default for in is to block" || e.Direction != "in" ||
		e.InIface != "eth0" || e.Proto != "TCP" || e.SrcIP != "192.0.2.7" || e.DestIP != "192.0.2.10" || e.TCPFlags != "S" || e.PacketLen != 60 || e.CommunityID == "" {
		t.Errorf("entry %s", e.Line)
	}
}

func listen(t *testing.T, h *hosts.Host, address string) {
	t.Helper()
	l, err := h.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReload(t *testing.T) {
	for _, c := range []struct {
		name   string
		reload func(*hosts.Daemon) error
		status int // of a refused reload
	}{
		{"by signal", (*hosts.Daemon).Hup, 0},
		{"by pfw", (*hosts.Daemon).Reload, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			local, remote := hosts.Pair(t)
			listen(t, local, ":80")
			d := hosts.Run(t, local, telnet)
			edit(t, d, web)
			if err := c.reload(d); err != nil {
				t.Fatal(err)
			}
			if !connects(t, remote, "192.0.2.10:80") {
				t.Error("the new policy is not in force")
			}
			if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.EventType == "reload" && e.PFW.Generation == 2 }); err != nil {
				t.Error(err)
			}
			before := table(t, local)
			edit(t, d, bad)
			if code := hosts.ExitCode(c.reload(d)); code != c.status {
				t.Errorf("a bad file: exit status %d, want %d", code, c.status)
			}
			if rules(table(t, local)) != rules(before) {
				t.Error("a bad file changed the table")
			}
			if text := stderr(t, d); !strings.Contains(text, "firewall.toml:2:11") || !strings.Contains(text, "^") {
				t.Errorf("the log does not show what is wrong:\n%s", text)
			}
			e, err := d.WaitEntry(limit, func(e hosts.Entry) bool {
				return e.EventType == "reload" && strings.HasPrefix(e.PFW.Reason, "refused: ")
			})
			if err != nil || e.PFW.Generation != 2 {
				t.Errorf("%v %s", err, e.Line)
			}
			status, err := d.Pfw("status", "--json")
			if err != nil || !strings.Contains(status, `"state":"degraded"`) || !strings.Contains(status, "firewall.toml:2:11") {
				t.Errorf("%v %s", err, status)
			}
			edit(t, d, web)
			if err := d.Reload(); err != nil {
				t.Fatal(err)
			}
			if status, err = d.Pfw("status", "--json"); err != nil || !strings.Contains(status, `"state":"ok"`) {
				t.Errorf("after a good file: %v %s", err, status)
			}
		})
	}
}

// rules leaves out what counts.
func rules(table string) string {
	var out []string
	for line := range strings.Lines(table) {
		if !strings.Contains(line, "packets") && !strings.Contains(line, "expires") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func edit(t *testing.T, d *hosts.Daemon, config string) {
	t.Helper()
	if err := d.Edit(config); err != nil {
		t.Fatal(err)
	}
}

func TestBadFileAtStart(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Prepare(t, local, bad)
	err := d.Start()
	if hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "firewall.toml:2:11") || !strings.Contains(err.Error(), "no last good policy") {
		t.Fatalf("without a last good policy: %v", err)
	}
	if table(t, local) != "" {
		t.Error("something is in force")
	}

	edit(t, d, telnet)
	start(t, d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	edit(t, d, bad)
	start(t, d)
	if !strings.Contains(table(t, local), "no-telnet") {
		t.Error("the last good policy is not in force")
	}
	if text := stderr(t, d); !strings.Contains(text, "error: ") || !strings.Contains(text, "the last good policy is in force instead") {
		t.Errorf("the log does not say so:\n%s", text)
	}
	if !slices.ContainsFunc(d.Notices(), func(n string) bool {
		return strings.HasPrefix(n, "STATUS=") && strings.Contains(n, "last good policy")
	}) {
		t.Errorf("notices %q", d.Notices())
	}
}

func start(t *testing.T, d *hosts.Daemon) {
	t.Helper()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
}

func TestStop(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := table(t, local); got != "" {
		t.Errorf("still there:\n%s", got)
	}
	if !strings.Contains(stderr(t, d), "the firewall is off") {
		t.Errorf("the log does not say so:\n%s", stderr(t, d))
	}
}

func TestStopUnderSystemdThatIsSilentLeavesThePolicy(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Prepare(t, local, telnet)
	d.Env = []string{"INVOCATION_ID=0123456789abcdef0123456789abcdef", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere"}
	start(t, d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table(t, local), "no-telnet") {
		t.Error("the policy is not in force any more")
	}
	if !strings.Contains(stderr(t, d), "nft delete table inet pfw") {
		t.Errorf("the log does not tell the way out:\n%s", stderr(t, d))
	}
}

func TestCrashLeavesThePolicyAndTheNextTakesItOver(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, telnet)
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("a connection comes in while no pfwd runs")
	}
	start(t, d)
	if text := stderr(t, d); !strings.Contains(text, "taken over") {
		t.Errorf("the log does not say so:\n%s", text)
	}
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	nft(t, local, "flush table inet pfw")
	start(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what was flushed is not in force again")
	}
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.EventType == "tamper" && strings.Contains(e.PFW.Reason, "chain") }); err != nil {
		t.Error(err)
	}
	if status, err := d.Pfw("status"); err != nil || !strings.Contains(status, "somebody else changed pfw's table") {
		t.Errorf("%v\n%s", err, status)
	}
}

func nft(t *testing.T, h *hosts.Host, command string) {
	t.Helper()
	if out, err := h.Command("nft", command).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v\n%s", command, err, out)
	}
}

func TestGroupOfAnotherListener(t *testing.T) {
	local := hosts.New(t, "local")
	hosts.Run(t, local, telnet)
	nft(t, local, "list ruleset")
	second := hosts.Prepare(t, local, telnet)
	err := second.Start()
	if hosts.ExitCode(err) != 1 {
		t.Errorf("a second pfwd: %v", err)
	}
}

func TestUsage(t *testing.T) {
	program := hosts.Build(t, "./cmd/pfwd")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--version", 0, "pfwd "},
		{"--help", 0, "usage: pfwd"},
		{"--confg x", 2, "usage: pfwd"},
		{"reload", 2, "pfw"},
	} {
		out, err := exec.Command(program, strings.Fields(c.args)...).CombinedOutput()
		if hosts.ExitCode(err) != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("pfwd %s: %v\n%s", c.args, err, out)
		}
	}
}

// Else the service manager is told READY=1 after STOPPING=1, and the log of a bad file after the firewall is off.
func TestReloadAtTheEndIsToldToNobodyElse(t *testing.T) {
	d := &Daemon{stopping: true}
	if _, err := d.Reload(t.Context()); !errors.Is(err, errEnding) {
		t.Error(err)
	}
}

// systemd kills who takes too long to stop, and then the table would stay.
func TestStopWaitsForNoReload(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	editBig(t, d)
	if err := syscall.Kill(d.Pid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := d.WaitNotice("RELOADING=1", limit); err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	if text := stderr(t, d); strings.Contains(text, "generation=2") || strings.Contains(text, "is refused") {
		t.Errorf("the reload was not given up:\n%s", text)
	}
	if text := table(t, local); text != "" {
		t.Errorf("left in force:\n%s", text)
	}
}
