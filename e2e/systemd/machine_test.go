package systemd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

const (
	bootLimit = 60 * time.Second
	stopLimit = 30 * time.Second
)

// machine is a system that systemd runs. Its files outlive its power: boot, shut down and boot again.
type machine struct {
	t     *testing.T // the part of the test that is under way
	whole *testing.T // ends when the machine does
	name  string
	root  string // the overlay: what the machine sees as /

	power  *exec.Cmd // nil while it is off; the machine lives no longer than this process
	leader int       // the machine's process 1, as seen from here
	output bytes.Buffer
	gone   chan struct{}
	exit   error // of power; read after gone
}

// newMachine lays a fresh overlay over a root file system. What the lower system would start or mount by its own
// configuration is taken away, as it is not what is tested.
func newMachine(t *testing.T, name, lower string) *machine {
	t.Helper()
	m := &machine{t: t, whole: t, name: fmt.Sprintf("pfw-%s-%d", name, os.Getpid())}
	// An overlay's upper directory cannot always lie on the machine's own file system, which may be an overlay itself.
	work := t.TempDir()
	mount(t, "tmpfs", work, "tmpfs", 0, "mode=0755")
	for _, dir := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(work, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.root = filepath.Join(work, "root")
	mount(t, "overlay", m.root, "overlay", 0,
		fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, work, work))
	for _, path := range []string{"etc/systemd/system", "etc/fstab", "etc/pfw", "var/lib/pfw", "var/log/pfw", "var/log/journal"} {
		if err := os.RemoveAll(filepath.Join(m.root, path)); err != nil {
			t.Fatal(err)
		}
	}
	scripts, err := filepath.Glob(filepath.Join(m.root, "etc/rc?.d/S*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		if err := os.Remove(script); err != nil {
			t.Fatal(err)
		}
	}
	m.write("etc/fstab", "")
	// Where this directory exists the journal outlives a boot.
	if err := os.Mkdir(filepath.Join(m.root, "var/log/journal"), 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

func mount(t *testing.T, source, target, kind string, flags uintptr, options string) {
	t.Helper()
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		t.Fatalf("mount %s on %s: %v", source, target, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", target, err)
		}
	})
}

// boot starts the machine with a test host's network and waits until it is up. The source tree is at /srv/pfw.
func (m *machine) boot(host *hosts.Host, source string) {
	m.t.Helper()
	// The name under /proc that the host has means nothing in another process namespace.
	network, err := os.CreateTemp(m.whole.TempDir(), "network")
	if err != nil {
		m.t.Fatal(err)
	}
	if err := network.Close(); err != nil {
		m.t.Fatal(err)
	}
	mount(m.whole, host.Path(), network.Name(), "", unix.MS_BIND, "")

	// nspawn delegates the cgroup that it is in, so it gets one of its own in each hierarchy that systemd looks at. A
	// process namespace around it ends with unshare, and unshare with this test: nspawn killed leaves its machine running.
	args := []string{"-c", `for dir; do [ "$dir" != -- ] || break; mkdir -p "$dir" && echo $$ >"$dir/cgroup.procs" || exit; shift; done; shift; exec "$@"`, "boot"}
	args = append(args, m.cgroups()...)
	args = append(args, "--", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
		"systemd-nspawn", "--quiet", "--boot", "--directory="+m.root, "--machine="+m.name,
		"--register=no", "--keep-unit", "--link-journal=no", "--console=pipe", "--bind-ro="+source+":/srv/pfw",
		"--network-namespace-path="+network.Name(), "--capability=CAP_NET_ADMIN",
		// Which a real machine leaves to a service's own filter.
		"--system-call-filter=open_by_handle_at")
	m.power = exec.Command("sh", args...)
	m.power.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	m.power.Stdout, m.power.Stderr = &m.output, &m.output
	m.power.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.power.Start(); err != nil {
		m.t.Fatalf("start systemd-nspawn: %v", err)
	}
	m.gone = make(chan struct{})
	go func(cmd *exec.Cmd, gone chan struct{}) {
		m.exit = cmd.Wait()
		close(gone)
	}(m.power, m.gone)
	m.whole.Cleanup(m.powerOff)

	m.await(bootLimit, "the machine to boot", func() bool {
		select {
		case <-m.gone:
			m.t.Fatalf("systemd-nspawn: %v\n%s", m.exit, m.output.String())
		default:
		}
		if m.leader = m.findLeader(); m.leader == 0 {
			return false
		}
		state, _ := m.command("systemctl", "is-system-running").Output() // not yet up is an error as well
		return strings.TrimSpace(string(state)) == "running" || strings.TrimSpace(string(state)) == "degraded"
	})
}

// findLeader is the process id of the machine's systemd, 0 while there is none: process 1 of a namespace, in the machine's
// cgroup.
func (m *machine) findLeader() int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		m.t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// A process that has ended meanwhile has neither file.
		cgroup, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cgroup"))
		status, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "status"))
		if bytes.Contains(cgroup, []byte("/"+m.name+"/")) && isInit.Match(status) && bytes.HasPrefix(status, []byte("Name:\tsystemd\n")) {
			return pid
		}
	}
	return 0
}

// isInit finds the innermost process id, the last one, in /proc/PID/status.
var isInit = regexp.MustCompile(`(?m)^NSpid:.*\t1$`)

// shutDown powers the machine off as an administrator does, and waits until it is.
func (m *machine) shutDown() {
	m.t.Helper()
	const poweroff = syscall.Signal(34 + 4) // SIGRTMIN+4; the C library keeps two real-time signals to itself
	if err := syscall.Kill(m.leader, poweroff); err != nil {
		m.t.Fatalf("ask systemd to power off: %v", err)
	}
	select {
	case <-m.gone:
	case <-time.After(stopLimit):
		m.t.Errorf("the machine still runs %s after power-off", stopLimit)
	}
	m.powerOff()
}

// powerOff pulls the plug where the machine still has power, and removes its cgroups.
func (m *machine) powerOff() {
	if m.power == nil {
		return
	}
	if err := m.power.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.t.Errorf("kill the machine: %v", err)
	}
	<-m.gone
	m.power = nil
	for _, dir := range m.cgroups() {
		if err := removeCgroup(dir); err != nil {
			m.t.Errorf("remove cgroup: %v", err)
		}
	}
	if m.whole.Failed() {
		m.whole.Logf("console:\n%s", m.output.String())
	}
}

// cgroups is the machine's cgroup in each hierarchy that systemd looks at.
func (m *machine) cgroups() []string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		m.t.Fatal(err)
	}
	var dirs []string
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if fields[2] == "cgroup2" || fields[2] == "cgroup" && strings.Contains(fields[3], "name=systemd") {
			dirs = append(dirs, filepath.Join(fields[1], m.name))
		}
	}
	return dirs
}

// removeCgroup removes a cgroup with all below it, once the last process has left.
func removeCgroup(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		var err error
		for range 50 {
			if err = os.Remove(dirs[i]); !errors.Is(err, syscall.EBUSY) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// command prepares a command as the machine's root would give it.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(m.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--", name}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0", "HOME=/root"}
	return cmd
}

// run gives a command that must succeed and returns what it said.
func (m *machine) run(name string, args ...string) string {
	m.t.Helper()
	out, err := m.command(name, args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// fail gives a command that must not succeed and returns what it said.
func (m *machine) fail(name string, args ...string) string {
	m.t.Helper()
	out, err := m.command(name, args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		m.t.Fatalf("%s %s succeeded (%v), want a failure\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// property is one property of pfwd.service.
func (m *machine) property(name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "--property="+name, "--value", "pfwd.service")
}

// write puts a file on the machine, also while it is off.
func (m *machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// await asks until the answer is yes.
func (m *machine) await(limit time.Duration, what string, done func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("waited %s for %s\n%s", limit, what, m.output.String())
		}
	}
}
