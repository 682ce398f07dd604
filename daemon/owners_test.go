package daemon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfw/daemon/procs"
	"pfw/e2e/hosts"
	"pfw/enforce/nflog"
)

// envSend makes the test binary a program that sends: "tcp 192.0.2.7:23", say.
const envSend = "PFW_DAEMON_TEST_SEND"

// sendAndWait sends, or tries to, and holds the socket until standard input ends.
func sendAndWait(what string) int {
	network, address, _ := strings.Cut(what, " ")
	held := make(chan net.Conn, 1)
	go func() { // ends with its packet
		c, err := net.DialTimeout(network, address, time.Minute)
		if err == nil {
			_, err = c.Write([]byte("hello"))
		}
		// A packet of UDP that is blocked is EPERM to its sender.
		if err != nil && !errors.Is(err, syscall.EPERM) {
			fmt.Fprintln(os.Stderr, err)
		}
		held <- c
	}()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 1
	}
	runtime.KeepAlive(held) // a socket that nobody refers to is closed
	return 0
}

// sender starts such a program on a host, in a unit of that name where one is given, and ends it with the test.
func sender(t *testing.T, h *hosts.Host, what, unit string) (pid int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := h.Command(self)
	cmd.Env = append(os.Environ(), envSend+"="+what)
	cmd.Stderr = os.Stderr
	if unit != "" {
		cgroup := makeUnit(t, unit)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(cgroup.Fd())
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	})
	return cmd.Process.Pid
}

// makeUnit makes a cgroup with the name of a unit.
func makeUnit(t *testing.T, name string) *os.File {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if fields[2] != "cgroup2" {
			continue
		}
		path := filepath.Join(fields[1], name)
		if err := os.Mkdir(path, 0o755); errors.Is(err, fs.ErrPermission) {
			t.Skip("making a cgroup needs root")
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		})
		dir, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dir.Close() })
		return dir
	}
	t.Skip("no cgroup2 is mounted")
	return nil
}

const talkative = blockAll + `
[[rule]]
name = "no-telnet"
action = "block"
direction = "out"
port = 23
[[rule]]
name = "not-answered"
action = "reject"
direction = "out"
protocol = "tcp"
port = 25
[[rule]]
name = "web"
action = "allow"
direction = "out"
port = 80
log = true
`

func TestEntriesNameWhoSent(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, remote, "192.0.2.7:80")
	d := hosts.Run(t, local, talkative)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ what, event, rule string }{
		{"tcp 192.0.2.7:23", "drop", "no-telnet"},
		{"tcp [2001:db8::7]:23", "drop", "no-telnet"},
		{"udp 192.0.2.7:23", "drop", "no-telnet"},
		{"udp [2001:db8::7]:23", "drop", "no-telnet"},
		{"tcp 192.0.2.7:80", "allow", "web"},
		{"udp 192.0.2.7:80", "allow", "web"},
	} {
		t.Run(c.what, func(t *testing.T) {
			unit := fmt.Sprintf("pfw-test-%d-%d.service", os.Getpid(), i)
			if os.Getuid() != 0 {
				unit = ""
			}
			pid := sender(t, local, c.what, unit)
			network, address, _ := strings.Cut(c.what, " ")
			to := netip.MustParseAddrPort(address)
			e, err := d.WaitEntry(limit, func(e hosts.Entry) bool {
				return e.EventType == c.event && strings.EqualFold(e.Proto, network) && e.DestIP == to.Addr().String() && e.DestPort == to.Port()
			})
			if err != nil {
				t.Fatal(err)
			}
			p := e.PFW
			if p.Rule != c.rule || p.UID == nil || *p.UID != 0 || p.User != "root" || p.PID != pid || p.Exe != self || unit != "" && p.Unit != unit {
				t.Errorf("want process %d %s in unit %q:\n%s", pid, self, unit, e.Line)
			}
		})
	}
}

// A connection that is rejected is no socket any more, and an incoming packet was sent by nobody here.
func TestUnknownOwnersAreLeftOut(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, talkative)
	if _, err := local.Dial("tcp", "192.0.2.7:25", limit); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatal(err)
	}
	if _, err := remote.Dial("tcp", "192.0.2.10:23", shortly/5); err == nil {
		t.Fatal("not blocked")
	}
	rejected, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.PFW.Rule == "not-answered" })
	if err != nil {
		t.Fatal(err)
	}
	if p := rejected.PFW; p.UID == nil || p.User != "root" {
		t.Errorf("the user is not told: %s", rejected.Line)
	}
	in, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.Direction == "in" })
	if err != nil {
		t.Fatal(err)
	}
	if p := in.PFW; p.UID != nil || p.User != "" || p.PID != 0 || p.Exe != "" || p.Unit != "" {
		t.Errorf("an incoming packet has an owner: %s", in.Line)
	}
}

func TestCommonOwner(t *testing.T) {
	now := time.Now()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, err := procs.Sockets()
	if err != nil {
		t.Fatal(err)
	}
	uid := uint32(os.Getuid())
	mine := all[0]
	for _, s := range all {
		if s.Local == l.Addr().(*net.TCPAddr).AddrPort() {
			mine = s
		}
	}
	gone, strange := mine, mine
	gone.Inode = 1<<32 - 1
	strange.UID++
	o := newOwners(slog.New(slog.DiscardHandler))
	defer o.close()
	for _, c := range []struct {
		name string
		list []procs.Socket
		want int
	}{
		{"one", []procs.Socket{mine}, os.Getpid()},
		{"two of one process", []procs.Socket{mine, mine}, os.Getpid()},
		{"one of another user", []procs.Socket{strange}, 0},
		{"one, beside another user's", []procs.Socket{strange, mine}, os.Getpid()},
		{"one, beside one of who knows whom", []procs.Socket{mine, gone}, 0},
		{"the same the other way round", []procs.Socket{gone, mine}, 0},
		{"none", nil, 0},
	} {
		if got := o.common(c.list, uid, now); got.pid != c.want || (got.exe != "") != (c.want != 0) {
			t.Errorf("%s: %+v, want process %d", c.name, got, c.want)
		}
	}
	if got := o.of(&nflog.Message{Packet: nflog.Packet{Protocol: 1}}); got != (owner{}) {
		t.Errorf("icmp: %+v", got)
	}

	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	heir := exec.Command("sleep", "60")
	heir.ExtraFiles = []*os.File{file}
	if err := heir.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := heir.Process.Kill(); err != nil {
			t.Error(err)
		}
		var killed *exec.ExitError
		if err := heir.Wait(); !errors.As(err, &killed) {
			t.Error(err)
		}
	}()
	if got := o.common([]procs.Socket{mine}, uid, now.Add(2*scanLifetime)); got.pid != 0 || got.exe != "" {
		t.Errorf("one of two processes: %+v", got)
	}
}

func TestBudget(t *testing.T) {
	var b budget
	now := time.Now()
	if !b.allows(now) {
		t.Fatal("nothing was saved")
	}
	b.spend(budgetSaved + time.Millisecond)
	for _, c := range []struct {
		after   time.Duration
		allowed bool
	}{{0, false}, {budgetShare*time.Millisecond - 100, false}, {200, true}, {time.Hour, true}} {
		now = now.Add(c.after)
		if got := b.allows(now); got != c.allowed {
			t.Errorf("%s later: %t", c.after, got)
		}
	}
}
