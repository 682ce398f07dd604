package procs

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"pfw/e2e/hosts"
)

func TestParent(t *testing.T) {
	for _, c := range []struct {
		stat string
		want int
	}{
		{"4242 (bash) S 4200 4242 4242 34816", 4200},
		{"1 (systemd) S 0 1 1 0", 0},
		{"7 (a) R 1 (b c) S 6 7 7 0", 6}, // a name that looks like the rest of the line
		{"7 (cut", 0},
		{"7 (short) S", 0},
		{"7 (odd) S x 7", 0},
		{"", 0},
	} {
		if got := parent([]byte(c.stat)); got != c.want {
			t.Errorf("%q: %d, want %d", c.stat, got, c.want)
		}
	}
}

func TestAncestors(t *testing.T) {
	proc := t.TempDir()
	for pid, parent := range map[int]int{30: 20, 20: 10, 10: 1, 1: 0, 40: 39, 51: 50, 50: 51} {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		text := strconv.Itoa(pid) + " (x) S " + strconv.Itoa(parent) + " 1"
		if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		pid  int
		want []int
	}{
		{30, []int{30, 20, 10, 1}},
		{40, []int{40, 39}}, // 39 has ended
		{0, nil},
	} {
		if got := ancestors(proc, c.pid); !slices.Equal(got, c.want) {
			t.Errorf("%d: %v, want %v", c.pid, got, c.want)
		}
	}
	if n := len(ancestors(proc, 50)); n != maxAncestors {
		t.Errorf("a circle is walked %d times", n)
	}
}

func TestSessionIsTheNearest(t *testing.T) {
	came := func(inode uint32, from string) connection {
		s := socket(TCP, IPv4, Established, "192.0.2.1:22", from)
		s.Inode = inode
		return connection{socket: s}
	}
	list := []connection{came(1, "203.0.113.7:1"), came(2, "203.0.113.8:1"), came(3, "203.0.113.9:1")}
	proc := t.TempDir()
	for pid, p := range map[string]struct {
		comm   string
		socket string
	}{
		"900": {"bash", ""}, "101": {"sshd-session", "socket:[1]"}, "100": {"sshd", "socket:[1]"},
		"200": {"sshd", "socket:[2]"}, "300": {"nginx", "socket:[3]"}, "800": {"tmux: server", "socket:[9]"},
	} {
		if err := os.MkdirAll(filepath.Join(proc, pid, "fd"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "comm"), []byte(p.comm+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if p.socket == "" {
			continue
		}
		if err := os.Symlink(p.socket, filepath.Join(proc, pid, "fd", "3")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		line []int
		want string
	}{
		{"a shell of sshd", []int{900, 101, 100, 1}, "203.0.113.7:1"},
		{"ssh server within an ssh session", []int{900, 200, 150, 101, 100, 1}, "203.0.113.8:1"},
		{"another server", []int{900, 300, 1}, ""},
		{"tmux", []int{900, 800, 1}, ""},
	} {
		held, err := heldByServers(proc, c.line)
		if err != nil {
			t.Fatal(err)
		}
		s, ok := session(held, list)
		if ok != (c.want != "") || ok && s.Remote.String() != c.want {
			t.Errorf("%s: %v, %t; want %s", c.name, s.Remote, ok, c.want)
		}
	}
}

// Whoever starts a program from a shell of sshd is found by it; a program that something else started is not.
func TestSSHSessionOnAHost(t *testing.T) {
	local, remote := hosts.Pair(t)
	_, server := start(t, local, "sshd", "192.0.2.10:22")
	peer := dial(t, remote, "192.0.2.10:22")
	find := func(pid int) (s Socket, ok bool) {
		t.Helper()
		if err := local.Do(func() (err error) { s, ok, err = SSHSession(pid); return err }); err != nil {
			t.Fatal(err)
		}
		return s, ok
	}
	if s, ok := find(server); !ok || s.Remote.String() != peer {
		t.Errorf("the server itself: %v, %t; want %s", s.Remote, ok, peer)
	}
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = other.Wait() // it was killed
	}()
	if s, ok := find(other.Process.Pid); ok {
		t.Errorf("a process of no session: %v", s.Remote)
	}
}
