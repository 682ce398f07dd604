package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// here runs a daemon in this process, whose network namespace is the test's own, without an owner of the table, as
// kernels before 6.9 have it. It ends with the test.
func here(t testing.TB, config string) (client *api.Client, auditFile string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "pfw-")
	if err != nil {
		t.Fatal(err)
	}
	auditFile = filepath.Join(dir, "audit.jsonl")
	path := filepath.Join(dir, "firewall.toml")
	config = strings.Replace(config, "[log]\n", fmt.Sprintf("[log]\nfile = %q\n", auditFile), 1)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Config: path, RuntimeDir: dir, StateDir: dir, Version: "test",
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)), WithoutOwner: true})
	}()
	client = api.NewClient(filepath.Join(dir, "control.sock"))
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		_, err := client.Status(t.Context())
		if err == nil {
			return client, auditFile
		}
		select {
		case err := <-ended:
			ended <- nil
			t.Fatal(err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func nftHere(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("nft", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// eventually waits for something that is to come within a time.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}

func TestTableThatOthersChangeIsRestored(t *testing.T) {
	client, auditFile := here(t, telnet)
	whole := rules(nftHere(t, "list", "table", "inet", "pfw"))
	for _, c := range []struct{ name, command, what string }{
		{"rules are flushed", "flush table inet pfw", "chain"},
		{"a rule is added", "insert rule inet pfw input accept", "chain input"},
		{"the table is deleted", "delete table inet pfw", "is gone"},
	} {
		nftHere(t, strings.Fields(c.command)...)
		eventually(t, c.name+": the table is as it was", 3*time.Second, func() bool {
			out, err := exec.Command("nft", "list", "table", "inet", "pfw").CombinedOutput()
			return err == nil && rules(string(out)) == whole
		})
		eventually(t, c.name+": an entry tells of it", 3*time.Second, func() bool {
			text, err := os.ReadFile(auditFile)
			return err == nil && strings.Contains(string(text), `"tamper"`) && strings.Contains(string(text), c.what)
		})
	}
	s, err := client.Status(t.Context())
	if err != nil || s.State != api.Degraded || len(s.Faults) != 1 || s.Faults[0].Remedy == "" {
		t.Errorf("%v %+v", err, s)
	}
	// Somebody else's table is nobody's business.
	before, err := os.ReadFile(auditFile)
	if err != nil {
		t.Fatal(err)
	}
	nftHere(t, "add", "table", "inet", "other")
	defer nftHere(t, "delete", "table", "inet", "other")
	time.Sleep(3 * watchTime)
	if after, err := os.ReadFile(auditFile); err != nil || string(after) != string(before) {
		t.Errorf("%v; entries about another table: %s", err, after[len(before):])
	}
}

func TestOpenConnectionsAreJudgedAtTheEdgeOfUntil(t *testing.T) {
	local, remote := hosts.Pair(t)
	// The connection is to be open before the end, so building the programs must not count.
	hosts.Build(t, "./cmd/pfwd")
	hosts.Build(t, "./cmd/pfw")
	end := time.Now().Add(8 * time.Second).Truncate(time.Second).Add(time.Second)
	d := hosts.Run(t, local, blockAll+rule("for-now", "allow", "in", 80)+"until = "+end.Format("2006-01-02T15:04:05Z07:00")+"\n")
	s := stream(t, remote, local, "192.0.2.10:80")
	e, err := d.WaitEntry(time.Until(end)+limit, isCut("default", "in", 80))
	if err != nil {
		t.Fatal(err)
	}
	if time.Now().Before(end) {
		t.Errorf("cut before its time: %s", e.Line)
	}
	if s.Alive(shortly) == nil {
		t.Error("it goes on")
	}
	listen(t, local, ":81")
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("it can be opened again")
	}
}

func TestWatchdogIsFed(t *testing.T) {
	d := hosts.Prepare(t, hosts.New(t, "local"), telnet)
	d.Env = []string{"WATCHDOG_USEC=600000"}
	start(t, d)
	count := func() (n int) {
		for _, notice := range d.Notices() {
			if notice == "WATCHDOG=1" {
				n++
			}
		}
		return n
	}
	eventually(t, "three times", 5*time.Second, func() bool { return count() >= 3 })
}

// editBig gives a daemon a list that takes the kernel seconds to load.
func editBig(t *testing.T, d *hosts.Daemon) {
	t.Helper()
	var list strings.Builder
	for i := range 500_000 {
		n := 1<<24 + i*1024
		fmt.Fprintf(&list, "%d.%d.%d.0/24\n", n>>24, n>>16&255, n>>8&255)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(d.Config), "big.txt"), []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	edit(t, d, blockAll+"[list.big]\nfile = \"big.txt\"\n[[rule]]\nname = \"big\"\naction = \"block\"\ndirection = \"in\"\nremote = \"@big\"\n")
}

// A watchdog that is fed too late kills a pfwd that works.
func TestWatchdogIsFedWhileABigListIsLoaded(t *testing.T) {
	d := hosts.Prepare(t, hosts.New(t, "local"), telnet)
	const killed = 2 * time.Second
	d.Env = []string{fmt.Sprintf("WATCHDOG_USEC=%d", killed.Microseconds())}
	start(t, d)
	editBig(t, d)
	reloaded := make(chan error, 1)
	go func() { reloaded <- d.Reload() }()
	fed, last, longest, shown := 0, time.Now(), time.Duration(0), time.Duration(0)
	for done := false; !done; time.Sleep(10 * time.Millisecond) {
		asked := time.Now()
		if _, err := d.Pfw("status"); err != nil {
			t.Error(err)
		}
		shown = max(shown, time.Since(asked))
		n := 0
		for _, notice := range d.Notices() {
			if notice == "WATCHDOG=1" {
				n++
			}
		}
		longest = max(longest, time.Since(last))
		if n > fed {
			fed, last = n, time.Now()
		}
		select {
		case err := <-reloaded:
			if err != nil {
				t.Error(err)
			}
			done = true
		default:
		}
	}
	if longest >= killed {
		t.Errorf("not fed for %s", longest)
	}
	if shown >= killed {
		t.Errorf("pfw status took %s", shown)
	}
}

func TestPeopleWhoCouldNotComeInAgainAreWarned(t *testing.T) {
	becomeSSHServer(t)
	local, remote := hosts.Pair(t)
	stream(t, remote, local, "192.0.2.10:22")
	listen(t, local, "192.0.2.10:22")
	d := hosts.Run(t, local, blockAll+rule("ssh", "allow", "in", 22))
	if text := stderr(t, d); strings.Contains(text, "ssh") && strings.Contains(text, "could not log in again") {
		t.Errorf("warned without a reason:\n%s", text)
	}
	// Refused by an interface's rule, so by nothing that is sure of a connection whose interface is not known: it goes on.
	edit(t, d, blockAll+rule("no-ssh", "block", "in", 22)+"interface = \"eth0\"\n"+rule("ssh", "allow", "in", 22))
	reload(t, d)
	warned(t, d)
}

func TestPeopleWhoAreCutOffAreWarned(t *testing.T) {
	becomeSSHServer(t)
	for _, c := range []struct {
		name  string
		start func(*hosts.Daemon)
	}{
		{"by the first start", func(d *hosts.Daemon) { edit(t, d, blockAll); start(t, d) }},
		{"by a reload", func(d *hosts.Daemon) { start(t, d); edit(t, d, blockAll); reload(t, d) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			local, remote := hosts.Pair(t)
			d := hosts.Prepare(t, local, blockAll+rule("ssh", "allow", "in", 22))
			s := stream(t, remote, local, "192.0.2.10:22")
			listen(t, local, "192.0.2.10:22")
			c.start(d)
			warned(t, d)
			if s.Alive(shortly) == nil {
				t.Error("the connection goes on")
			}
		})
	}
}

// becomeSSHServer gives this process the name of one until the end of the test.
func becomeSSHServer(t *testing.T) {
	t.Helper()
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	rename := func(name string) {
		if err := os.WriteFile("/proc/self/comm", []byte(strings.TrimSpace(name)), 0); err != nil {
			t.Fatal(err)
		}
	}
	rename("sshd")
	t.Cleanup(func() { rename(string(name)) })
}

// warned says that the log and the status name the address that could not log in again.
func warned(t *testing.T, d *hosts.Daemon) {
	t.Helper()
	eventually(t, "warned", limit, func() bool { return strings.Contains(stderr(t, d), "could not log in again from=192.0.2.7") })
	s, err := d.Pfw("status")
	if err != nil || !strings.Contains(s, "192.0.2.7") {
		t.Errorf("%v\n%s", err, s)
	}
}

func TestOtherTablesAreTold(t *testing.T) {
	local := hosts.New(t, "local")
	nft(t, local, "add table inet other; add chain inet other in { type filter hook input priority 0; policy drop; }")
	d := hosts.Run(t, local, telnet)
	eventually(t, "told in the log", limit, func() bool { return strings.Contains(stderr(t, d), "table inet other") })
	eventually(t, "told by pfw status", limit, func() bool {
		s, err := d.Pfw("status", "--json")
		return err == nil && strings.Contains(s, "table inet other")
	})
	// Who runs containers has such tables for ever, and nothing is wrong.
	s, err := d.Pfw("status", "--json")
	if err != nil || !strings.Contains(s, `"state":"ok"`) || !strings.Contains(s, `"faults":[]`) {
		t.Errorf("%v\n%s", err, s)
	}
	if s, err := d.Pfw("status"); err != nil || !strings.Contains(s, "notice") || !strings.Contains(s, "faults    none") {
		t.Errorf("%v\n%s", err, s)
	}
}
