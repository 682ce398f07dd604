package api

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestListenReplacesAStaleSocketOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir", "control.sock")
	stale, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("beside a living daemon: %v", err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false) // as a crash leaves it
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatalf("after a crash: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("mode %v", info.Mode())
	}
	if gid, ok := groupID(Group); ok && os.Geteuid() == 0 && info.Sys().(*syscall.Stat_t).Gid != gid {
		t.Errorf("group %d, want %d", info.Sys().(*syscall.Stat_t).Gid, gid)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket stays after the end: %v", err)
	}
}

func TestListenKeepsItsHandsOffOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, []byte("dear diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(path); err == nil {
		t.Error("a file was replaced", l.Close())
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "dear diary" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := Listen("/" + strings.Repeat("x", 107)); err == nil || !strings.Contains(err.Error(), "108 bytes") {
		t.Errorf("a long path: %v", err)
	}
}
