package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pfw/e2e/hosts"
)

// Whoever asks the program itself to end, a terminal or another program, finds
// nothing of it afterwards: no process, no file, and with them no namespace.
func TestSignalEndsItWithoutTrace(t *testing.T) {
	bin := filepath.Dir(hosts.Build(t, "./cmd/pfwd"))
	hosts.Build(t, "./cmd/pfw")
	program := hosts.Build(t, "./e2e/demo")
	temporary := t.TempDir()
	for _, c := range []struct {
		signal syscall.Signal
		group  bool // as a terminal does, to all processes of the job
	}{{syscall.SIGINT, true}, {syscall.SIGINT, false}, {syscall.SIGTERM, false}, {syscall.SIGHUP, false}} {
		cmd := exec.Command(program, "-bin", bin, "-config", "../../firewall.toml")
		cmd.Env = append(unmarked(os.Environ()), "TMPDIR="+temporary)
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.Contains(lines.Text(), "explain: ") {
		}
		whom := cmd.Process.Pid
		if c.group {
			whom = -whom
		}
		if err := syscall.Kill(whom, c.signal); err != nil {
			t.Error(err)
		}
		// Its processes hold the other end.
		_, drained := io.Copy(io.Discard, out)
		err = errors.Join(drained, cmd.Wait())
		if hosts.ExitCode(err) != exitStopped {
			t.Errorf("%s: %v, want exit status %d", c.signal, err, exitStopped)
		}
		if left := commandLines(t, temporary); len(left) > 0 {
			t.Errorf("%s: left behind: %q", c.signal, left)
		}
		left, err := os.ReadDir(temporary)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", c.signal, left, err)
		}
	}
}

// unmarked is an environment in which the demo makes namespaces of its own.
func unmarked(environment []string) (kept []string) {
	for _, e := range environment {
		if !strings.HasPrefix(e, "PFW_HOSTS_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// commandLines are those of processes that name a text.
func commandLines(t *testing.T, text string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		// A process may end meanwhile.
		if err == nil && strings.Contains(string(line), text) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
