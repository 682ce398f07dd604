package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// Ctrl-C ends a check at once, whatever it waits for: here a pipe in place of a file, into which nobody writes.
func TestCtrlCEndsCheck(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "firewall.toml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.Command(hosts.Build(t, "./cmd/pfw"), "check", pipe)
	if err := check.Start(); err != nil {
		t.Fatal(err)
	}
	// Opens only when the program has the other end open.
	end, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	if err := check.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(10*time.Second, func() {
		t.Error("it goes on after Ctrl-C")
		end.Close()
	})
	err = check.Wait()
	late.Stop()
	if err == nil {
		t.Error("an interrupted check says that all is well")
	}
}
