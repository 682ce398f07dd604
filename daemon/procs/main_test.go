package procs

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

// envServe makes the test binary a server at that address, so that a process of
// any name can hold sockets.
const envServe = "PFW_PROCS_TEST_SERVE"

func TestMain(m *testing.M) {
	if address := os.Getenv(envServe); address != "" {
		os.Exit(serve(address))
	}
	hosts.Main(m)
}

// serve prints the address it listens at and holds what it accepts until its
// standard input ends.
func serve(address string) int {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
			fmt.Fprintln(c, "held", len(held))
		}
	}()
	fmt.Println(l.Addr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// start runs such a server under a name on a host and returns its address and PID.
func start(t *testing.T, h *hosts.Host, name, address string) (string, int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	cmd := h.Command(program)
	cmd.Env = append(os.Environ(), envServe+"="+address)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("server %s: %v", name, err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("server %s: %v", name, err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid
}

// list is Sockets on a host.
func list(t testing.TB, h *hosts.Host) []Socket {
	t.Helper()
	var sockets []Socket
	if err := h.Do(func() (err error) { sockets, err = Sockets(); return err }); err != nil {
		t.Fatal(err)
	}
	return sockets
}

// listen is Host.Listen for a test.
func listen(t testing.TB, h *hosts.Host, network, address string) net.Listener {
	t.Helper()
	l, err := h.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// connect opens a connection to a listener of the same host and accepts it.
func connect(t testing.TB, h *hosts.Host, l net.Listener, address string) (dialed, taken net.Conn) {
	t.Helper()
	dialed, err := h.Dial("tcp", address, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	if taken, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	return dialed, taken
}

// at is an address of the host with the port of a listener.
func at(l net.Listener, address string) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(address, port)
}

// inode asks the descriptor itself which socket it is.
func inode(t testing.TB, holder any) uint32 {
	t.Helper()
	raw, err := holder.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &stat) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return uint32(stat.Ino)
}

// find returns the socket of a list that a descriptor of this test is.
func find(t testing.TB, sockets []Socket, holder any) Socket {
	t.Helper()
	want := inode(t, holder)
	i := slices.IndexFunc(sockets, func(s Socket) bool { return s.Inode == want })
	if i < 0 {
		t.Fatalf("no socket with inode %d among %d", want, len(sockets))
	}
	return sockets[i]
}

// powerless runs f on a host without any capability.
func powerless(t *testing.T, h *hosts.Host, f func() error) error {
	t.Helper()
	return h.Do(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var all, none [2]unix.CapUserData
		if err := unix.Capget(&header, &all[0]); err != nil {
			t.Fatal(err)
		}
		none = all
		none[0].Effective, none[1].Effective = 0, 0
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Capset(&header, &all[0]); err != nil {
				panic(err) // the thread goes back to the other tests
			}
		}()
		return f()
	})
}
