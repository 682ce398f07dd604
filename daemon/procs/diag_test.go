package procs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

// open is what a test knows of a socket it made.
type open struct {
	Protocol      Protocol
	Family        Family
	State         State
	Local, Remote netip.AddrPort
	Inode         uint32
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	case *net.UDPAddr:
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	panic(fmt.Sprintf("address %v", a))
}

// openMany makes n connections of each kind, with their listeners, and says what it made.
func openMany(t testing.TB, h *hosts.Host, n int) []open {
	var made []open
	unset := map[Family]netip.AddrPort{
		IPv4: netip.AddrPortFrom(netip.IPv4Unspecified(), 0),
		IPv6: netip.AddrPortFrom(netip.IPv6Unspecified(), 0),
	}
	for _, kind := range []struct {
		network, listen, dial string
		listener, dialer      Family
	}{
		{"tcp4", "127.0.0.1:0", "127.0.0.1", IPv4, IPv4},
		{"tcp6", "[::1]:0", "::1", IPv6, IPv6},
		{"tcp", "[::]:0", "127.0.0.1", IPv6, IPv4}, // dual-stack
	} {
		l := listen(t, h, kind.network, kind.listen)
		made = append(made, open{TCP, kind.listener, Listen, addrPort(l.Addr()), unset[kind.listener], inode(t, l)})
		for range n {
			dialed, taken := connect(t, h, l, at(l, kind.dial))
			made = append(made,
				open{TCP, kind.dialer, Established, addrPort(dialed.LocalAddr()), addrPort(dialed.RemoteAddr()), inode(t, dialed)},
				open{TCP, kind.listener, Established, addrPort(taken.LocalAddr()), addrPort(taken.RemoteAddr()), inode(t, taken)})
		}
	}
	for _, kind := range []struct {
		network, listen string
		family          Family
	}{
		{"udp4", "127.0.0.1:0", IPv4},
		{"udp6", "[::1]:0", IPv6},
		{"udp", "[::]:0", IPv6},
	} {
		for range n {
			p, err := h.ListenPacket(kind.network, kind.listen)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Close() })
			made = append(made, open{UDP, kind.family, Close, addrPort(p.LocalAddr()), unset[kind.family], inode(t, p)})
			if kind.network == "udp" {
				continue
			}
			c, err := h.Dial(kind.network, p.LocalAddr().String(), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			made = append(made, open{UDP, kind.family, Established, addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), inode(t, c)})
		}
	}
	return made
}

func TestSocketsAreThoseThatAreOpen(t *testing.T) {
	h := hosts.New(t, "many")
	want := openMany(t, h, 100)
	byInode := func(a, b open) int { return int(a.Inode) - int(b.Inode) }
	cgroup := ownCgroup(t)
	var got []open
	for _, s := range list(t, h) {
		got = append(got, open{s.Protocol, s.Family, s.State, s.Local, s.Remote, s.Inode})
		if s.CgroupID != cgroup {
			t.Errorf("%s: made in cgroup %d, want %d", s, s.CgroupID, cgroup)
		}
		if s.UID != uint32(os.Getuid()) {
			t.Errorf("%s: of user %d, want %d", s, s.UID, os.Getuid())
		}
	}
	slices.SortFunc(want, byInode)
	slices.SortFunc(got, byInode)
	compare := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("opened (-) and listed (+) differ:\n%s", diff)
	}
}

// ownCgroup is the id of this process's cgroup: the inode of its directory.
func ownCgroup(t *testing.T) uint64 {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if fields[2] != "cgroup2" {
			continue
		}
		for entry := range strings.Lines(string(own)) {
			path, ok := strings.CutPrefix(strings.TrimSpace(entry), "0::")
			if !ok {
				continue
			}
			var stat unix.Stat_t
			if err := unix.Stat(fields[1]+path, &stat); err != nil {
				t.Fatal(err)
			}
			return stat.Ino
		}
	}
	t.Fatal("no cgroup2 mount")
	return 0
}

func TestSocketsAreThoseThatSsLists(t *testing.T) {
	hosts.Need(t, "ss")
	h := hosts.New(t, "ss")
	openMany(t, h, 50)
	timeWait(t, h)
	out, err := h.Command("ss", "-tunaeHO").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		want[fromSs(t, lines.Text())] = true
	}
	got := make(map[string]bool)
	for _, s := range list(t, h) {
		got[fmt.Sprintf("%s ino=%d uid=%d sk=%x v6only=%t", s, s.Inode, s.UID, s.Cookie, s.V6Only)] = true
	}
	if len(got) < 300 {
		t.Errorf("%d sockets, want hundreds", len(got))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ss (-) and Sockets (+) differ:\n%s", diff)
	}
}

// fromSs turns a line of ss into what the test prints of a socket.
func fromSs(t *testing.T, line string) string {
	t.Helper()
	fields := strings.Fields(line)
	states := map[string]string{"ESTAB": "ESTABLISHED", "UNCONN": "CLOSE", "TIME-WAIT": "TIME_WAIT"}
	state := fields[1]
	if name, ok := states[state]; ok {
		state = name
	}
	// ss writes the unspecified dual-stack address and any port 0 as a star.
	end := func(s string) string {
		if rest, ok := strings.CutPrefix(s, "*:"); ok {
			s = "[::]:" + rest
		}
		if rest, ok := strings.CutSuffix(s, ":*"); ok {
			s = rest + ":0"
		}
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			t.Fatalf("line of ss %q: %v", line, err)
		}
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
	}
	values := map[string]string{"ino": "0", "uid": "0", "v6only": "0"}
	for _, field := range fields[6:] {
		if name, value, ok := strings.Cut(field, ":"); ok {
			values[name] = value
		}
	}
	return fmt.Sprintf("%s %s %s %s ino=%s uid=%s sk=%s v6only=%t", fields[0], state, end(fields[4]), end(fields[5]),
		values["ino"], values["uid"], values["sk"], values["v6only"] == "1")
}

// timeWait leaves a connection in TIME_WAIT and returns its local port.
func timeWait(t *testing.T, h *hosts.Host) uint16 {
	t.Helper()
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	dialed, taken := connect(t, h, l, l.Addr().String())
	port := addrPort(dialed.LocalAddr()).Port()
	dialed.Close()
	taken.Close()
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		if slices.ContainsFunc(list(t, h), func(s Socket) bool { return s.State == TimeWait && s.Local.Port() == port }) {
			return port
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("no socket came to TIME_WAIT")
	return 0
}

func TestSocketThatNobodyHoldsHasNoInode(t *testing.T) {
	h := hosts.New(t, "closed")
	port := timeWait(t, h)
	for _, s := range list(t, h) {
		if s.Local.Port() == port && s.Inode != 0 {
			t.Errorf("%s: inode %d, want 0", s, s.Inode)
		}
	}
}

func TestUnacceptedConnectionIsListed(t *testing.T) {
	h := hosts.New(t, "backlog")
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	dialed, err := h.Dial("tcp", l.Addr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	for _, s := range list(t, h) {
		if s.Remote == addrPort(dialed.LocalAddr()) && s.State == Established && s.Inode == 0 {
			return
		}
	}
	t.Error("the connection in the listener's queue is missing")
}

func TestV6OnlyAndDevice(t *testing.T) {
	h := hosts.New(t, "options")
	option := func(level, name, value int) net.ListenConfig {
		return net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, value) }), err)
		}}
	}
	for _, c := range []struct {
		network, address string
		level, name      int
		value            int
		v6only           bool
		device           uint32
	}{
		{"tcp", "[::]:0", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0, false, 0},
		{"tcp", "[::]:0", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, true, 0},
		{"tcp6", "[::]:0", unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, 1, true, 1},
		{"tcp4", "0.0.0.0:0", unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, 1, false, 1},
	} {
		var l net.Listener
		err := h.Do(func() (err error) {
			config := option(c.level, c.name, c.value)
			l, err = config.Listen(t.Context(), c.network, c.address)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s := find(t, list(t, h), l)
		if s.V6Only != c.v6only || s.Device != c.device {
			t.Errorf("%s %s: v6only %t, device %d; want %t, %d", c.network, c.address, s.V6Only, s.Device, c.v6only, c.device)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkSockets(b *testing.B) {
	for _, connections := range []int{100, 2000} {
		b.Run(strconv.Itoa(2*connections+1), func(b *testing.B) {
			h := hosts.New(b, "bench")
			l := listen(b, h, "tcp4", "127.0.0.1:0")
			for range connections {
				connect(b, h, l, l.Addr().String())
			}
			b.ReportAllocs()
			for b.Loop() {
				if got := len(list(b, h)); got != 2*connections+1 {
					b.Fatalf("%d sockets, want %d", got, 2*connections+1)
				}
			}
		})
	}
}
