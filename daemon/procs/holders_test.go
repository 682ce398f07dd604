package procs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pfw/e2e/hosts"
)

func TestHoldersOfRealSockets(t *testing.T) {
	h := hosts.New(t, "holders")
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	address, pid := start(t, h, "some-server", "127.0.0.1:0")
	holders, err := ReadHolders()
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list(t, h) {
		want := []Process{{os.Getpid(), comm("/proc/self"), exe}}
		if s.Local.String() == address {
			want = []Process{{pid, "some-server", exe}}
		}
		if diff := cmp.Diff(want, holders.Of(s.Inode)); diff != "" {
			t.Errorf("holders of %s (-want +got):\n%s", s, diff)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestHoldersWithoutPrivilege(t *testing.T) {
	h := hosts.New(t, "holders")
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	own := inode(t, l)
	err := powerless(t, h, func() error {
		holders, err := ReadHolders()
		if err != nil {
			return err
		}
		// Process 1 has capabilities that this thread has not now.
		if holders.Denied == 0 {
			t.Error("no process is denied")
		}
		if got := holders.Of(own); len(got) != 1 || got[0].PID != os.Getpid() {
			t.Errorf("holders of an own socket: %v", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestHoldersFromProc(t *testing.T) {
	proc := t.TempDir()
	make := func(pid int, comm, exe string, files ...string) {
		dir := filepath.Join(proc, fmt.Sprint(pid))
		if err := os.MkdirAll(filepath.Join(dir, "fd"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "comm"), []byte(comm+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for fd, target := range files {
			if err := os.Symlink(target, filepath.Join(dir, "fd", fmt.Sprint(fd))); err != nil {
				t.Fatal(err)
			}
		}
		if exe == "" {
			return
		}
		if err := os.Symlink(exe, filepath.Join(dir, "exe")); err != nil {
			t.Fatal(err)
		}
	}
	make(9, "child", "/bin/server", "socket:[100]")
	make(7, "server", "/bin/server", "/dev/null", "socket:[100]", "socket:[100]", "socket:[4294967295]")
	make(8, "kthread", "", "socket:[300]", "socket:[4294967296]", "socket:[x]", "socket:[5", "pipe:[400]")
	for _, other := range []string{"self", "1"} { // process 1 ended meanwhile: its fd is gone
		if err := os.Mkdir(filepath.Join(proc, other), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	holders, err := readHolders(proc)
	if err != nil {
		t.Fatal(err)
	}
	server := Process{7, "server", "/bin/server"}
	want := map[uint32][]Process{
		100:        {server, {9, "child", "/bin/server"}},
		4294967295: {server},
		300:        {{8, "kthread", ""}},
	}
	if diff := cmp.Diff(want, holders.byInode); diff != "" || holders.Denied != 0 {
		t.Errorf("denied %d, holders (-want +got):\n%s", holders.Denied, diff)
	}
	if _, err := readHolders(filepath.Join(proc, "missing")); err == nil {
		t.Error("no error without /proc")
	}
}

func BenchmarkReadHolders(b *testing.B) {
	for _, connections := range []int{0, 2000} {
		b.Run(fmt.Sprint(2*connections), func(b *testing.B) {
			h := hosts.New(b, "bench")
			l := listen(b, h, "tcp4", "127.0.0.1:0")
			for range connections {
				connect(b, h, l, l.Addr().String())
			}
			for b.Loop() {
				if _, err := ReadHolders(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
