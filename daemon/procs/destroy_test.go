package procs

import (
	"errors"
	"io/fs"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

func TestDestroyEndsOneConnection(t *testing.T) {
	for _, c := range []struct{ name, network, listen, dial string }{
		{"ipv4", "tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"ipv6", "tcp6", "[::1]:0", "::1"},
		{"ipv4 over a dual-stack listener", "tcp", "[::]:0", "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hosts.New(t, "cut")
			l := listen(t, h, c.network, c.listen)
			dialed, taken := connect(t, h, l, at(l, c.dial))
			otherDialed, otherTaken := connect(t, h, l, at(l, c.dial))

			victim := find(t, list(t, h), taken)
			for _, moment := range []string{"open", "gone"} {
				if err := h.Do(func() error { return Destroy(victim) }); err != nil {
					t.Fatalf("destroy a socket that is %s: %v", moment, err)
				}
			}
			if err := read(dialed); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("the peer reads: %v, want %v", err, unix.ECONNRESET)
			}
			if err := read(taken); !errors.Is(err, unix.ECONNABORTED) {
				t.Errorf("the holder reads: %v, want %v", err, unix.ECONNABORTED)
			}
			if _, err := otherDialed.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if err := read(otherTaken); err != nil {
				t.Errorf("another connection of the same listener: %v", err)
			}
		})
	}
}

func TestDestroyEndsConnectedUDP(t *testing.T) {
	h := hosts.New(t, "cut")
	for _, address := range []string{"127.0.0.1:5300", "[::1]:5300"} {
		c, err := h.Dial("udp", address, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s := find(t, list(t, h), c)
		if err := h.Do(func() error { return Destroy(s) }); err != nil {
			t.Fatal(err)
		}
		if err := read(c); !errors.Is(err, unix.ECONNABORTED) {
			t.Errorf("%s: the holder reads: %v, want %v", address, err, unix.ECONNABORTED)
		}
	}
}

func TestDestroySparesTheSuccessor(t *testing.T) {
	h := hosts.New(t, "cut")
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	dialed, taken := connect(t, h, l, l.Addr().String())
	predecessor := find(t, list(t, h), taken)
	predecessor.Cookie++
	if err := h.Do(func() error { return Destroy(predecessor) }); err != nil {
		t.Fatal(err)
	}
	if _, err := dialed.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if err := read(taken); err != nil {
		t.Errorf("a socket with the same addresses and another cookie: %v", err)
	}
}

func TestDestroyRefuses(t *testing.T) {
	h := hosts.New(t, "cut")
	l := listen(t, h, "tcp4", "127.0.0.1:0")
	_, taken := connect(t, h, l, l.Addr().String())
	server, err := h.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	sockets := list(t, h)
	for _, s := range []Socket{find(t, sockets, l), find(t, sockets, server)} {
		if err := h.Do(func() error { return Destroy(s) }); err == nil {
			t.Errorf("%s: destroyed, though it is no connection", s)
		}
	}
	s := find(t, sockets, taken)
	if err := powerless(t, h, func() error { return Destroy(s) }); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("destroy without CAP_NET_ADMIN: %v, want %v", err, fs.ErrPermission)
	}
}

// read takes one byte within a second.
func read(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
