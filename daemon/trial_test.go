package daemon

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// candidate writes a file to try beside a daemon's own.
func candidate(t *testing.T, d *hosts.Daemon, config string) string {
	t.Helper()
	path := filepath.Join(d.Dir, "new.toml")
	if err := os.WriteFile(path, []byte(strings.Replace(config, "[log]\n", "[log]\nfile = \""+d.Log+"\"\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pfw runs pfw, which must do what it is asked.
func pfw(t *testing.T, d *hosts.Daemon, args ...string) string {
	t.Helper()
	out, err := d.Pfw(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// isIn wants a state, in the answer of pfw status.
func isIn(t *testing.T, d *hosts.Daemon, state string) {
	t.Helper()
	if s := pfw(t, d, "status", "--json"); !strings.Contains(s, `"state":"`+state+`"`) {
		t.Errorf("not %s: %s", state, s)
	}
}

func TestATrialEndsInTimeThoughTheTerminalAndPfwdAreGone(t *testing.T) {
	const length = 20 * time.Second // a busy machine starts pfwd twice in it
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, telnet)
	began := time.Now()
	// pfw has ended when this returns, as it does with a terminal that is gone.
	pfw(t, d, "try", candidate(t, d, web), "--for", length.String())
	if !connects(t, remote, "192.0.2.10:80") {
		t.Fatal("what is tried is not in force")
	}
	for range 2 {
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		start(t, d)
		if !connects(t, remote, "192.0.2.10:80") {
			t.Error("after a crash, what is tried is not in force any more")
		}
		isIn(t, d, "trying")
	}
	if !strings.Contains(stderr(t, d), "a policy is still on trial") {
		t.Errorf("the log of the second pfwd does not say so:\n%s", stderr(t, d))
	}
	// Not what the file says now, but what was in force.
	edit(t, d, web)
	e, err := d.WaitEntry(limit+length, func(e hosts.Entry) bool { return strings.HasPrefix(e.PFW.Reason, "not confirmed in time") })
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < length {
		t.Errorf("back after %s", took)
	}
	if e.EventType != "reload" || connects(t, remote, "192.0.2.10:80") {
		t.Errorf("the policy of before is not in force: %s", e.Line)
	}
	isIn(t, d, "ok")
	eventually(t, "told in the log", limit, func() bool { return strings.Contains(stderr(t, d), "was not confirmed in time") })
	eventually(t, "told to systemd", limit, func() bool {
		n := d.Notices()
		return strings.Contains(strings.Join(n, "\n"), "inbound block, outbound allow; since") && strings.Contains(n[len(n)-1], "a trial was not confirmed in time")
	})
	if _, err := os.Stat(filepath.Join(d.Dir, "state", trialFile)); !os.IsNotExist(err) {
		t.Errorf("the trial is still there for the next start: %v", err)
	}
}

func TestATrialDoesNotOutliveAReboot(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, telnet)
	pfw(t, d, "try", candidate(t, d, web), "--for", "1h")
	path := filepath.Join(d.Dir, "state", trialFile)
	reboot(t, local, d, path)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what was tried is in force")
	}
	isIn(t, d, "ok")
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool {
		return e.EventType == "reload" && strings.Contains(e.PFW.Reason, "was not confirmed before the machine was started anew")
	}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the trial is still there: %v", err)
	}
}

// reboot has a daemon find what another run of the kernel left: a file in the state directory with another boot id, and no
// table.
func reboot(t *testing.T, h *hosts.Host, d *hosts.Daemon, path string) {
	t.Helper()
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	nft(t, h, "delete table inet pfw")
	text := regexp.MustCompile(`"boot":"[^"]*"`).ReplaceAllString(read(t, path), `"boot":"another"`)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, d)
}

// A file that nobody can make sense of must not keep pfwd from starting.
func TestATrialThatCannotBeReadIsOver(t *testing.T) {
	for name, text := range map[string]string{"damaged": "{\"text\":", "of another shape": "[]", "not valid any more": ""} {
		local := hosts.New(t, "local")
		d := hosts.Prepare(t, local, telnet)
		if text == "" {
			now := clocks("")
			boot, err := bootID()
			if err != nil {
				t.Fatal(err)
			}
			now.boot = boot
			saved, err := json.Marshal(trial{Text: bad, Term: now.term(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			text = string(saved)
		}
		if err := os.WriteFile(filepath.Join(d.Dir, "state", trialFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, d)
		if !strings.Contains(stderr(t, d), "a trial is over, as ") || !strings.Contains(table(t, local), "no-telnet") {
			t.Errorf("%s: %s", name, stderr(t, d))
		}
	}
}

func TestNothingElseChangesDuringATrial(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	pfw(t, d, "try", candidate(t, d, web), "--for", "1h")
	before := rules(table(t, local))
	if !strings.Contains(before, "rule/web") {
		t.Fatal(before)
	}
	// systemd waits for READY=1 after a signal, too.
	if err := d.Hup(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr(t, d), "reload refused") {
		t.Errorf("the log does not say that a reload was refused:\n%s", stderr(t, d))
	}
	if _, err := d.Pfw("try", candidate(t, d, telnet)); hosts.ExitCode(err) != 1 {
		t.Errorf("a second trial: %v", err)
	}
	if rules(table(t, local)) != before {
		t.Error("something else is in force")
	}
	isIn(t, d, "trying")
	// What is on trial is no last good policy.
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(d.Dir, "state", trialFile)); err != nil {
		t.Fatal(err)
	}
	edit(t, d, bad)
	start(t, d)
	if !strings.Contains(table(t, local), "no-telnet") {
		t.Error("the last good policy is not that of before the trial")
	}
}

// The firewall.d and the lists of the rule file are those of what is tried, and a confirmed trial is the last good policy.
func TestAConfirmedTrialIsTheLastGoodPolicy(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Prepare(t, local, telnet)
	more := filepath.Join(filepath.Dir(d.Config), "firewall.d")
	if err := os.Mkdir(more, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(more, "more.toml"), []byte(rule("more", "allow", "in", 443)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.Config, 0o660); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	pfw(t, d, "try", candidate(t, d, web))
	if text := table(t, local); !strings.Contains(text, "rule/more") || !strings.Contains(text, "rule/web") {
		t.Fatal(text)
	}
	pfw(t, d, "confirm")
	if info, err := os.Stat(d.Config); err != nil || info.Mode() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	edit(t, d, bad)
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	if text := table(t, local); !strings.Contains(text, "rule/more") || !strings.Contains(text, "rule/web") {
		t.Errorf("the last good policy is not what was confirmed:\n%s", text)
	}
}

// Where firewall.toml cannot be written, the trial goes on, and its time with it.
func TestATrialThatCannotBeInstalledGoesOn(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	pfw(t, d, "try", candidate(t, d, web), "--for", "1h")
	// A directory is in the way of what is kept.
	if err := os.MkdirAll(filepath.Join(d.Config+"~", "in-the-way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Pfw("confirm"); hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "install rule file: ") {
		t.Errorf("confirm: %v", err)
	}
	isIn(t, d, "trying")
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	isIn(t, d, "trying")
	pfw(t, d, "revert")
	if !strings.Contains(table(t, local), "no-telnet") {
		t.Error("the policy of before is not in force")
	}
}

// Without a place to remember it, a trial would outlive its time after a crash.
func TestATrialThatCannotBeSavedIsRefused(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	if err := os.MkdirAll(filepath.Join(d.Dir, "state", trialFile, "in-the-way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Pfw("try", candidate(t, d, web)); hosts.ExitCode(err) != 1 {
		t.Errorf("try: %v", err)
	}
	if !strings.Contains(table(t, local), "no-telnet") {
		t.Error("it is in force all the same")
	}
	isIn(t, d, "ok")
}

// Whoever could not log in again over ssh is told before, and not after.
func TestATrialThatLocksOutIsRefusedOverSSH(t *testing.T) {
	becomeSSHServer(t)
	local, remote := hosts.Pair(t)
	stream(t, remote, local, "192.0.2.10:22")
	listen(t, local, "192.0.2.10:22")
	d := hosts.Run(t, local, blockAll+rule("ssh", "allow", "in", 22))
	without := candidate(t, d, blockAll)
	// pfw is a child of this process, which holds the connection and is called sshd.
	out, err := d.Pfw("try", without)
	if hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "you are logged in over ssh from 192.0.2.7, and could not log in again: no rule matches") ||
		!strings.Contains(err.Error(), "hint: --force") {
		t.Errorf("%s%v", out, err)
	}
	if !strings.Contains(table(t, local), "rule/ssh") {
		t.Error("it was tried all the same")
	}
	isIn(t, d, "ok")
	if s := pfw(t, d, "try", candidate(t, d, blockAll+rule("ssh", "allow", "in", 22)+rule("web", "allow", "in", 80)), "--json"); !strings.Contains(s, `"warnings":[]`) {
		t.Errorf("a policy that lets ssh in: %s", s)
	}
	pfw(t, d, "revert")
	s := pfw(t, d, "try", candidate(t, d, blockAll), "--force", "--json")
	if !strings.Contains(s, "could not log in again") || !strings.Contains(s, `"state":"trying"`) {
		t.Errorf("forced: %s", s)
	}
	pfw(t, d, "revert")
}

func TestATrialGoesOnAfterAStop(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	pfw(t, d, "try", candidate(t, d, web), "--for", "1h")
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	isIn(t, d, "trying")
	if !strings.Contains(table(t, local), "rule/web") {
		t.Error("what is tried is not in force")
	}
}

// A program in tmux is the child of a server that outlives every session: nothing leads from it to the connection that
// somebody looks at it by. It is not refused, and says who would be locked out.
func TestATrialThatLocksOutSomebodyElseIsWarnedOf(t *testing.T) {
	becomeSSHServer(t)
	local, remote := hosts.Pair(t)
	stream(t, remote, local, "192.0.2.10:22")
	listen(t, local, "192.0.2.10:22")
	d := hosts.Run(t, local, blockAll+rule("ssh", "allow", "in", 22))
	out := filepath.Join(d.Dir, "out")
	// The shell that starts pfw has ended by then, so that pfw is the child of somebody else than this process.
	orphan := local.Command("sh", "-c", `(sleep 1; "$0" --socket "$1" try "$2" --json >"$3" 2>&1; echo done >>"$3") & exit 0`,
		hosts.Build(t, "./cmd/pfw"), d.Socket, candidate(t, d, blockAll), out)
	if err := orphan.Run(); err != nil {
		t.Fatal(err)
	}
	var said string
	eventually(t, "tried", limit, func() bool {
		text, err := os.ReadFile(out)
		said = string(text)
		return err == nil && strings.HasSuffix(said, "done\n")
	})
	if !strings.Contains(said, `"state":"trying"`) || !strings.Contains(said, "logged in over ssh, and could not log in again: 192.0.2.7") {
		t.Errorf("said %s", said)
	}
	pfw(t, d, "revert")
}

// Where firewall.toml is a link to somewhere else, that is for its owner to change. Who tries is told before.
func TestATrialForAFileThatLiesElsewhere(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	elsewhere := filepath.Join(d.Dir, "elsewhere.toml")
	if err := os.Rename(d.Config, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, d.Config); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if s := pfw(t, d, "try", candidate(t, d, web), "--for", "1h", "--json"); !strings.Contains(s, "pfw confirm could not install this: ") {
		t.Errorf("who tries is not told: %s", s)
	}
	if _, err := d.Pfw("confirm"); hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "is a link that leads out of") {
		t.Errorf("confirm: %v", err)
	}
	isIn(t, d, "trying")
	if after, err := os.ReadFile(elsewhere); err != nil || string(after) != string(before) {
		t.Errorf("changed: %q, %v", after, err)
	}
	pfw(t, d, "revert")
}
