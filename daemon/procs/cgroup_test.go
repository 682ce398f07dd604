package procs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

func TestUnitOfAPath(t *testing.T) {
	for path, want := range map[string]string{
		"/system.slice/ssh.service": "ssh.service",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-123.scope": "app-firefox-123.scope",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/a.service/b.service":   "a.service",
		"/user.slice/user-1000.slice/user@1000.service/init.scope":                      "user@1000.service",
		"/user.slice/user-1000.slice/user@1000.service":                                 "user@1000.service",
		"/user.slice/user-1000.slice/session-3.scope":                                   "session-3.scope",
		"/system.slice/docker-4f.scope/init":                                            "docker-4f.scope",
		"/machine.slice/systemd-nspawn@web.service/payload/system.slice/ssh.service":    "systemd-nspawn@web.service",
		"/machine.slice/machine-web.scope/system.slice/ssh.service":                     "machine-web.scope",
		"/lxc.payload.web/system.slice/ssh.service":                                     "",
		"/system.slice/ssh.socket":                                                      "ssh.socket",
		"/system.slice/system-getty.slice/getty@tty1.service":                           "getty@tty1.service",
		"/kubepods.slice/kubepods-pod1.slice/cri":                                       "kubepods-pod1.slice",
		"/init.scope":    "init.scope",
		"/ssh.service":   "ssh.service",
		"/":              "",
		"/lxc/web":       "",
		"/a/.service/b":  "",
		"/system.slice":  "system.slice",
		"/x.service/y.z": "x.service",
	} {
		if got := unitOf(path); got != want {
			t.Errorf("%s is of %q, want %q", path, got, want)
		}
	}
}

func TestWhereCgroupsAreMounted(t *testing.T) {
	const unified = "24 31 0:29 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	const hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n" +
		"41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 none rw\n"
	for text, want := range map[string]string{unified: "/sys/fs/cgroup", hybrid: "/sys/fs/cgroup/uni fied", "": "", "garbage\n - cgroup2 x\n": ""} {
		if got, ok := cgroupMount([]byte(text)); got != want || ok != (want != "") {
			t.Errorf("%q is mounted at %q, %t; want %q", text, got, ok, want)
		}
	}
	if got := unifiedPath([]byte("4:memory:/x\n0::/system.slice/a.service\n")); got != "/system.slice/a.service" {
		t.Errorf("cgroup of a process: %q", got)
	}
}

// inUnit makes a cgroup of that name and moves a process into it.
func inUnit(t *testing.T, name string, pid int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root, ok := cgroupMount(text)
	if !ok {
		t.Skip("no cgroup2 is mounted")
	}
	dir := filepath.Join(root, name)
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrPermission) {
		t.Skip("making a cgroup needs root")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	move(t, filepath.Join(dir, "cgroup.procs"), pid)
	t.Cleanup(func() { move(t, filepath.Join(root, "cgroup.procs"), pid) })
}

func move(t *testing.T, procs string, pid int) {
	t.Helper()
	if err := os.WriteFile(procs, fmt.Appendln(nil, pid), 0); err != nil {
		t.Fatal(err)
	}
}

func openUnits(t *testing.T) *Units {
	t.Helper()
	u, err := OpenUnits()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}

func TestUnitOfASocket(t *testing.T) {
	h := hosts.New(t, "units")
	name := fmt.Sprintf("pfw-test-%d.service", os.Getpid())
	inUnit(t, name, os.Getpid())
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	u := openUnits(t)
	s := find(t, list(t, h), l)
	if got := UnitOfProcess(os.Getpid()); got != name {
		t.Errorf("this process is in unit %q, want %q", got, name)
	}
	if _, err := u.path(s.CgroupID); errors.Is(err, unix.EPERM) {
		t.Skip("a cgroup's id tells nothing without CAP_DAC_READ_SEARCH on the machine")
	}
	for range 2 { // asked, and known
		if got := u.Of(s.CgroupID); got != name {
			t.Errorf("cgroup %d is of unit %q, want %q", s.CgroupID, got, name)
		}
	}
	for _, id := range []uint64{0, 1, 1 << 60} {
		if got := u.Of(id); got != "" {
			t.Errorf("cgroup %d is of unit %q", id, got)
		}
	}
	err := powerless(t, h, func() error {
		if got := openUnits(t).Of(s.CgroupID); got != "" && got != name {
			t.Errorf("without privilege, cgroup %d is of unit %q", s.CgroupID, got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func BenchmarkUnits(b *testing.B) {
	u, err := OpenUnits()
	if err != nil {
		b.Fatal(err)
	}
	defer u.Close()
	for b.Loop() {
		clear(u.known)
		u.Of(1)
	}
}
