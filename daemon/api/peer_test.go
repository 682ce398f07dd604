package api

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestMain also is the program of another user: with a socket's path it asks there, and says what it is answered.
func TestMain(m *testing.M) {
	if path := os.Getenv("PFW_TEST_ASK"); path != "" {
		_, err := NewClient(path).Status(context.Background())
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

func TestPeerIsWhoConnected(t *testing.T) {
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mine, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	p, err := peerOf(theirs)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if p.uid != uint32(os.Geteuid()) || p.groups[len(p.groups)-1] != uint32(os.Getegid()) || len(p.groups) != len(groups)+1 {
		t.Errorf("got %+v, want uid %d, gid %d, groups %v", p, os.Geteuid(), os.Getegid(), groups)
	}
	if p.pid != os.Getpid() {
		t.Errorf("process %d, want %d", p.pid, os.Getpid())
	}
	for _, g := range groups {
		if !slices.Contains(p.groups, uint32(g)) {
			t.Errorf("group %d is missing from %v", g, p.groups)
		}
	}
}

func TestGate(t *testing.T) {
	g := gate{users: []uint32{0, 998}, group: func() (uint32, bool) { return 997, true }}
	none := gate{users: []uint32{0, 998}, group: func() (uint32, bool) { return 0, false }}
	fetching := g
	fetching.fetcher = func() (uint32, bool) { return 996, true }
	for _, c := range []struct {
		name string
		gate gate
		peer peer
		want bool
	}{
		{"root", g, peer{0, []uint32{0}, 0}, true},
		{"the daemon's own user", g, peer{998, []uint32{998}, 0}, true},
		{"primary group", g, peer{1000, []uint32{997}, 0}, true},
		{"supplementary group", g, peer{1000, []uint32{27, 997, 1000}, 0}, true},
		{"anybody", g, peer{1000, []uint32{27, 1000}, 0}, false},
		{"group of root", g, peer{1000, []uint32{0}, 0}, false},
		{"who fetches lists", fetching, peer{996, []uint32{996}, 0}, true},
		{"who fetches lists, on the control socket", g, peer{996, []uint32{996}, 0}, false},
		{"no such group", none, peer{1000, []uint32{0, 997}, 0}, false},
		{"no such group, root", none, peer{0, nil, 0}, true},
	} {
		if got := c.gate.admits(c.peer); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestStrangersAreRefused(t *testing.T) {
	nobody := gate{group: func() (uint32, bool) { return 0, false }}
	_, err := NewClient(start(t, &fake{}, nobody)).Status(t.Context())
	if p := problem(t, err); p.Status != 403 || !strings.Contains(p.Detail, fmt.Sprintf("user id %d may not", os.Geteuid())) {
		t.Errorf("got %+v", p)
	}
}

// Only root can be somebody else; the test above is the same for others.
func TestOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	g := newGate()
	g.group = func() (uint32, bool) { return 4242, true }
	path := start(t, &fake{}, g)
	dir := filepath.Dir(path)
	// The mode of the socket and of the directories is not what is tested.
	for _, p := range []struct {
		path string
		mode os.FileMode
	}{{path, 0o666}, {dir, 0o755}, {filepath.Dir(dir), 0o755}, {filepath.Dir(filepath.Dir(dir)), 0o755}} {
		if err := os.Chmod(p.path, p.mode); err != nil {
			t.Fatal(err)
		}
	}
	self := filepath.Join(dir, "ask")
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		cred   syscall.Credential
		answer string
	}{
		{"nobody", syscall.Credential{Uid: 65534, Gid: 65534}, "user id 65534 may not ask pfwd"},
		{"primary group", syscall.Credential{Uid: 65534, Gid: 4242}, "<nil>"},
		{"supplementary group", syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{9, 4242}}, "<nil>"},
		{"other group", syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{9}}, "user id 65534 may not ask pfwd"},
	} {
		cmd := exec.Command(self)
		cmd.Env = []string{"PFW_TEST_ASK=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &c.cred}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), c.answer) {
			t.Errorf("%s: %s, %v", c.name, out, err)
		}
	}
}
