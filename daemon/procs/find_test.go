package procs

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

// finder looks sockets up on a host.
func finder(t testing.TB, h *hosts.Host) *Finder {
	t.Helper()
	var f *Finder
	if err := h.Do(func() (err error) { f, err = OpenFinder(); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func senders(t testing.TB, f *Finder, p Protocol, local, remote netip.AddrPort, device uint32) []Socket {
	t.Helper()
	found, err := f.Senders(p, local, remote, device)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSenderOfEachKind(t *testing.T) {
	local, remote := hosts.Pair(t)
	f := finder(t, local)
	index, err := local.Index("eth0")
	if err != nil {
		t.Fatal(err)
	}
	device := uint32(index)
	for _, address := range []string{"192.0.2.7:80", "[2001:db8::7]:80"} {
		listen(t, remote, "tcp", address)
		for _, network := range []string{"tcp", "udp"} {
			c, err := local.Dial(network, address, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			p := map[string]Protocol{"tcp": TCP, "udp": UDP}[network]
			got := senders(t, f, p, addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), device)
			if len(got) != 1 || got[0].Inode != inode(t, c) || got[0].Protocol != p {
				t.Errorf("%s to %s: %v, want inode %d", network, address, got, inode(t, c))
			}
		}
	}
	// One that is not answered, and one of IPv6 that speaks IPv4 and is bound to an interface.
	if err := remote.Down("eth0"); err != nil {
		t.Fatal(err)
	}
	p, err := local.ListenPacket("udp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	raw, err := p.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var option error
	if err := raw.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index) }); err != nil || option != nil {
		t.Fatal(err, option)
	}
	from := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.10"), addrPort(p.LocalAddr()).Port())
	to := netip.MustParseAddrPort("192.0.2.7:53")
	if got := senders(t, f, UDP, from, to, device); len(got) != 1 || got[0].Inode != inode(t, p) {
		t.Errorf("a dual-stack socket on an interface: %v, want inode %d", got, inode(t, p))
	}
	if got := senders(t, f, UDP, from, to, device+1); len(got) != 0 {
		t.Errorf("by another interface: %v", got)
	}
}

// IPv4 spoken by a socket of IPv6, and a link-local address, which has an interface.
func TestSenderOfUnusualConnections(t *testing.T) {
	local, remote := hosts.Pair(t)
	f := finder(t, local)
	index, err := local.Index("eth0")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*hosts.Host{local, remote} {
		address := map[*hosts.Host]string{local: "fe80::1:1/64", remote: "fe80::1:2/64"}[h]
		if err := h.AddAddress("eth0", netip.MustParsePrefix(address)); err != nil {
			t.Fatal(err)
		}
	}
	listen(t, remote, "tcp", "[::]:80")
	for _, to := range []unix.SockaddrInet6{
		{Port: 80, Addr: netip.MustParseAddr("::ffff:192.0.2.7").As16()},
		{Port: 80, Addr: netip.MustParseAddr("fe80::1:2").As16(), ZoneId: uint32(index)},
	} {
		var fd int
		err := local.Do(func() (err error) {
			if fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
				return err
			}
			return unix.Connect(fd, &to)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		from, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		own := from.(*unix.SockaddrInet6)
		end := func(a *unix.SockaddrInet6) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
		}
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err != nil {
			t.Fatal(err)
		}
		if got := senders(t, f, TCP, end(own), end(&to), uint32(index)); len(got) != 1 || got[0].Inode != uint32(stat.Ino) {
			t.Errorf("to %s: %v, want inode %d", end(&to), got, stat.Ino)
		}
	}
}

func TestSenderThatIsGone(t *testing.T) {
	h := hosts.New(t, "gone")
	f := finder(t, h)
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	// The kernel would give the listener.
	to := netip.MustParseAddrPort("127.0.0.1:1")
	if got := senders(t, f, TCP, addrPort(l.Addr()), to, 1); len(got) != 0 {
		t.Errorf("a connection that never was: %v", got)
	}
	if got := senders(t, f, TCP, netip.MustParseAddrPort("127.0.0.1:2"), to, 1); len(got) != 0 {
		t.Errorf("a port that nobody has: %v", got)
	}
	if got := senders(t, f, UDP, netip.MustParseAddrPort("127.0.0.1:2"), to, 1); len(got) != 0 {
		t.Errorf("a udp port that nobody has: %v", got)
	}
}

func TestAllWhoShareAPort(t *testing.T) {
	h := hosts.New(t, "shared")
	f := finder(t, h)
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var option error
		err := c.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		if err == nil {
			err = option
		}
		return err
	}}
	for range 3 {
		var p net.PacketConn
		if err := h.Do(func() (err error) { p, err = config.ListenPacket(t.Context(), "udp4", "127.0.0.1:5353"); return err }); err != nil {
			t.Fatal(err)
		}
		defer p.Close()
	}
	if got := senders(t, f, UDP, netip.MustParseAddrPort("127.0.0.1:5353"), netip.MustParseAddrPort("127.0.0.1:1"), 1); len(got) != 3 {
		t.Errorf("%v, want three", got)
	}
}

func BenchmarkSender(b *testing.B) {
	h := hosts.New(b, "bench")
	f := finder(b, h)
	l := listen(b, h, "tcp4", "127.0.0.1:0")
	for range 2000 {
		connect(b, h, l, l.Addr().String())
	}
	dialed, _ := connect(b, h, l, l.Addr().String())
	p, err := h.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.Run("tcp", func(b *testing.B) {
		for b.Loop() {
			senders(b, f, TCP, addrPort(dialed.LocalAddr()), addrPort(dialed.RemoteAddr()), 1)
		}
	})
	b.Run("udp", func(b *testing.B) {
		for b.Loop() {
			senders(b, f, UDP, addrPort(p.LocalAddr()), netip.MustParseAddrPort("127.0.0.1:1"), 1)
		}
	})
}
