package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

func isPanic(reason string) func(hosts.Entry) bool {
	return func(e hosts.Entry) bool { return e.EventType == "panic" && strings.HasPrefix(e.PFW.Reason, reason) }
}

func TestPanicBlocksOpenConnectionsAndLetsThemGoOn(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, web)
	in, out, own := stream(t, remote, local, "192.0.2.10:80"), stream(t, local, remote, "[2001:db8::7]:443"), stream(t, local, local, "127.0.0.1:80")
	pfw(t, d, "panic")
	for i, s := range []*hosts.Stream{in, out} {
		if s.Alive(shortly) == nil {
			t.Errorf("stream %d goes on", i)
		}
	}
	if err := own.Alive(limit); err != nil {
		t.Errorf("loopback: %v", err)
	}
	if e, err := d.WaitEntry(limit, isPanic("on: ")); err != nil || strings.Contains(e.Line, "until") {
		t.Errorf("%v %s", err, e.Line)
	}
	isIn(t, d, "panic")
	if err := d.WaitNotice("STATUS=PANIC: everything but loopback is blocked (pfw panic off returns to the policy); the policy: 1 rule in force", limit); err != nil {
		t.Errorf("%v among %q", err, d.Notices())
	}
	if text := stderr(t, d); !strings.Contains(text, "warning: panic on: everything but loopback is blocked") {
		t.Errorf("the log does not say so:\n%s", text)
	}
	pfw(t, d, "panic", "off")
	for i, s := range []*hosts.Stream{in, out} {
		if err := s.Alive(limit); err != nil {
			t.Errorf("stream %d is gone after it: %v", i, err)
		}
	}
	isIn(t, d, "ok")
}

func TestPanicOutlivesEverythingButItsTime(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, web)
	path := filepath.Join(d.Dir, "state", panicFile)
	reboots := func() { reboot(t, local, d, path) }
	pfw(t, d, "panic", "on")
	for _, c := range []struct {
		name string
		what func()
	}{
		{"a crash", func() {
			if err := d.Kill(); err != nil {
				t.Fatal(err)
			}
			if connects(t, remote, "192.0.2.10:80") {
				t.Error("while no pfwd runs: it is open")
			}
			start(t, d)
		}},
		{"a reload", func() { reload(t, d) }},
		{"a reload by signal", func() {
			if err := d.Hup(); err != nil {
				t.Fatal(err)
			}
		}},
		{"a reboot", reboots},
		{"a time to end in, and a crash", func() {
			pfw(t, d, "panic", "on", "--for", "1h")
			if err := d.Kill(); err != nil {
				t.Fatal(err)
			}
			start(t, d)
		}},
		{"a reboot with a time to end in", reboots},
	} {
		c.what()
		if connects(t, remote, "192.0.2.10:80") {
			t.Errorf("after %s: it is open", c.name)
		}
		isIn(t, d, "panic")
	}
	if s := pfw(t, d, "status", "--json"); !strings.Contains(s, `"until":`) {
		t.Errorf("the time to end in is not known any more: %s", s)
	}
	if !strings.Contains(stderr(t, d), "panic is still on: everything but loopback is blocked; pfw panic off returns to the policy until=") {
		t.Error("the log of the last start does not say so")
	}
	began := time.Now()
	pfw(t, d, "panic", "on", "--for", "3s")
	if _, err := d.WaitEntry(limit, isPanic("off by time: ")); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("off after %s", took)
	}
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("it is not open again")
	}
	isIn(t, d, "ok")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the next start finds it again: %v", err)
	}
}

// What ended while no pfwd ran is over with the next start.
func TestPanicWhoseTimeWasUpMeanwhile(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, web)
	pfw(t, d, "panic", "--for", "1s")
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	start(t, d)
	if _, err := d.WaitEntry(limit, isPanic("off by time: ")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "open again", limit, func() bool { return connects(t, remote, "192.0.2.10:80") })
}

// Nobody who feared something is to find the machine open because a disk lost a few bytes.
func TestPanicThatCannotBeReadIsOn(t *testing.T) {
	for _, text := range []string{"{", "null"} {
		local, remote := hosts.Pair(t)
		listen(t, local, ":80")
		d := hosts.Prepare(t, local, web)
		if err := os.WriteFile(filepath.Join(d.Dir, "state", panicFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, d)
		if connects(t, remote, "192.0.2.10:80") {
			t.Errorf("%s: it is open", text)
		}
		pfw(t, d, "panic", "off")
		if !connects(t, remote, "192.0.2.10:80") {
			t.Errorf("%s: it is not open again", text)
		}
	}
}

// A full disk is no reason to go on as before.
func TestPanicThatCannotBeSavedIsOnAllTheSame(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, web)
	path := filepath.Join(d.Dir, "state", panicFile)
	if err := os.MkdirAll(filepath.Join(path, "in-the-way"), 0o755); err != nil {
		t.Fatal(err)
	}
	pfw(t, d, "panic")
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("it is open")
	}
	if s := pfw(t, d, "status"); !strings.Contains(s, "the panic would be over after a restart of pfwd") {
		t.Errorf("nobody is told:\n%s", s)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	pfw(t, d, "panic", "off")
	isIn(t, d, "ok")
}

func TestPanicOverSSHWantsAnEndOrForce(t *testing.T) {
	becomeSSHServer(t)
	local, remote := hosts.Pair(t)
	s := stream(t, remote, local, "192.0.2.10:22")
	listen(t, local, "192.0.2.10:22")
	d := hosts.Run(t, local, blockAll+rule("ssh", "allow", "in", 22))
	_, err := d.Pfw("panic")
	if hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "you are logged in over ssh from 192.0.2.7, and would be cut off for good") ||
		!strings.Contains(err.Error(), "hint: --for 5m ends it by itself; --force does it all the same") {
		t.Errorf("%v", err)
	}
	if err := s.Alive(limit); err != nil {
		t.Errorf("it was done all the same: %v", err)
	}
	pfw(t, d, "panic", "--for", "2s")
	if _, err := d.WaitEntry(limit, isPanic("off by time: ")); err != nil {
		t.Fatal(err)
	}
	if err := s.Alive(limit); err != nil {
		t.Errorf("the session does not go on after it: %v", err)
	}
	pfw(t, d, "panic", "--force")
	isIn(t, d, "panic")
}

// A list of a million entries may take the kernel ten seconds to load.
func TestPanicWaitsForNoReload(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	editBig(t, d)
	reloaded := make(chan error, 1)
	go func() { reloaded <- d.Reload() }()
	if err := d.WaitNotice("RELOADING=1", limit); err != nil {
		t.Fatal(err)
	}
	pfw(t, d, "panic")
	err := <-reloaded
	if hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "given up, as everything was to be blocked at once") {
		t.Errorf("the reload: %v", err)
	}
	// Nothing is wrong with the file, and it is put in force the next time.
	if s := pfw(t, d, "status", "--json"); !strings.Contains(s, `"faults":[]`) || !strings.Contains(s, `"state":"panic"`) {
		t.Error(s)
	}
	reload(t, d)
	isIn(t, d, "panic")
}

// A trial that was begun before goes on behind it, and back behind it.
func TestPanicDuringATrial(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, telnet)
	pfw(t, d, "try", candidate(t, d, web), "--for", "2s")
	pfw(t, d, "panic")
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return strings.HasPrefix(e.PFW.Reason, "not confirmed in time") }); err != nil {
		t.Fatal(err)
	}
	isIn(t, d, "panic")
	pfw(t, d, "panic", "off")
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what was tried is in force after the panic")
	}
	isIn(t, d, "ok")
}
