// Package hosts makes test hosts: network namespaces joined by veth pairs, with
// programs, sockets and the real pfwd in them. Nothing it does reaches the
// network namespace that the tests were started in, nor any wire.
//
// A test package opts in with
//
//	func TestMain(m *testing.M) { hosts.Main(m) }
//
// which runs the whole test binary in namespaces of its own. As root these are a
// network and a mount namespace, so every user of the machine exists and a child
// may become any of them (exec.Cmd's Credential). As an ordinary user a user
// namespace comes first, in which that user is root and is the only user there
// is: a rule about another user or group has no process to match there, and a
// test of one needs root.
package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Environment of an isolated process. The first says to the re-executed binary
// what it must differ from; the second says to its descendants (fuzz workers,
// say) where they must still be.
const (
	envParent = "PFW_HOSTS_PARENT_NETNS" // PID:INODE of the process outside
	envInside = "PFW_HOSTS_NETNS"        // INODE of the isolated network namespace
)

// ErrNoNamespaces means that this machine lets the caller make no namespaces.
var ErrNoNamespaces = errors.New("no network namespace may be made here: run as root, or allow user namespaces " +
	"(sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)")

// isolated is set once this process is known to be outside the network namespace
// that the tests were started in; no host is made before.
var isolated bool

// The main thread stands for the process in /proc/self/ns/net and
// /proc/self/net, so it must not be one of those that Do moves about.
func init() { runtime.LockOSThread() }

// Isolated runs f in network and mount namespaces of this process's own and
// returns its exit code. The first call re-executes the binary with the same
// arguments in such namespaces, so what a caller does before Isolated happens
// twice, and what it does inside f once. It must be called from the main
// goroutine. The error wraps ErrNoNamespaces where the machine allows none.
func Isolated(f func() int) (int, error) {
	inside, err := inspect()
	if err != nil {
		return 1, err
	}
	if !inside {
		return reexec()
	}
	if err := settle(); err != nil {
		return 1, fmt.Errorf("prepare namespaces: %w", err)
	}
	isolated = true
	defer removeBinaries()
	return f(), nil
}

// inspect tells whether this process runs in namespaces that Isolated made. A
// claim in the environment that the namespace itself does not bear out is an
// error, never a yes.
func inspect() (bool, error) {
	own, err := netnsInode()
	if err != nil {
		return false, err
	}
	if want, ok := os.LookupEnv(envInside); ok {
		if want != strconv.FormatUint(own, 10) {
			return false, fmt.Errorf("%s=%s, but this is network namespace %d: refusing to run tests here", envInside, want, own)
		}
		return true, nil
	}
	parent, ok := os.LookupEnv(envParent)
	if !ok {
		return false, nil
	}
	pid, inode, _ := strings.Cut(parent, ":")
	if pid != strconv.Itoa(os.Getppid()) || inode == strconv.FormatUint(own, 10) {
		return false, fmt.Errorf("%s=%s, but this is network namespace %d under process %d: refusing to run tests here",
			envParent, parent, own, os.Getppid())
	}
	return true, os.Setenv(envInside, strconv.FormatUint(own, 10))
}

func netnsInode() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		return 0, fmt.Errorf("stat /proc/self/ns/net: %w", err)
	}
	return st.Ino, nil
}

// reexec runs this binary again in new namespaces and waits for it.
func reexec() (int, error) {
	own, err := netnsInode()
	if err != nil {
		return 1, err
	}
	self, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("find own executable: %w", err)
	}
	start := func(attr *syscall.SysProcAttr) (*exec.Cmd, error) {
		cmd := exec.Command(self, os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d:%d", envParent, os.Getpid(), own))
		cmd.SysProcAttr = attr
		return cmd, cmd.Start()
	}
	plain := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	user := &syscall.SysProcAttr{
		Cloneflags:  plain.Cloneflags | unix.CLONE_NEWUSER,
		Pdeathsig:   syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	cmd, err := start(plain)
	if errors.Is(err, syscall.EPERM) {
		cmd, err = start(user)
	}
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		return 1, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	if err != nil {
		return 1, fmt.Errorf("re-execute %s in new namespaces: %w", self, err)
	}
	forward := make(chan os.Signal, 8)
	// A terminal sends its interrupt to both of us: the isolated process then gets
	// it twice. One that a program sends comes to this process only.
	signal.Notify(forward, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	defer signal.Stop(forward)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	for {
		select {
		case err := <-exited:
			return exitCode(cmd, err)
		case s := <-forward:
			if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return 1, fmt.Errorf("pass on %s: %w", s, err)
			}
		}
	}
}

func exitCode(cmd *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, fmt.Errorf("wait for isolated process: %w", err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// settle makes the new namespaces fit to run tests in: nothing mounted here
// shows outside, the machine's journal, bus and logs are out of reach, loopback is up,
// and tools of the administrator are found by an ordinary user too.
func settle() error {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	// In a chroot / is no mount point, so what is mounted may show outside: then nothing is, as a rule there is nothing to hide.
	chroot := errors.Is(err, unix.EINVAL)
	if err != nil && !chroot {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, dir := range []string{"/run/systemd", "/run/dbus", "/run/netns"} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) || chroot && err == nil && len(entries) == 0 {
			continue
		}
		if chroot {
			return fmt.Errorf("hide %s: / is no mount point, as in a chroot: mount --bind it to itself before you enter it", dir)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
	}
	// A pfwd that is tested with a rule file of no [log] writes where an installed one does.
	if !chroot {
		if err := unix.Mount("tmpfs", "/var/log", "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("hide /var/log: %w", err)
		}
	}
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring up loopback: %w", err)
	}
	return nil
}
