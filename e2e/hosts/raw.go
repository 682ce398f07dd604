package hosts

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Injector puts packets on a cable as they are, from whatever address: nothing
// of the sending host's stack or firewall has a say. It is for one goroutine.
type Injector struct {
	fd int
	to unix.SockaddrLinklayer
}

// NewInjector sends from an interface of the host to the neighbour with that
// address of hardware.
func (h *Host) NewInjector(iface string, to net.HardwareAddr) (*Injector, error) {
	index, err := h.Index(iface)
	if err != nil {
		return nil, err
	}
	in := &Injector{to: unix.SockaddrLinklayer{Ifindex: index, Halen: 6}}
	copy(in.to.Addr[:], to)
	err = h.Do(func() error {
		in.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: open packet socket: %w", h.Name, err)
	}
	return in, nil
}

// Send puts one IP packet on the cable, to everybody on it where its destination
// is multicast or the IPv4 broadcast address.
func (in *Injector) Send(packet []byte) error {
	to := in.to
	to.Protocol = htons(unix.ETH_P_IP)
	if packet[0]>>4 == 6 {
		to.Protocol = htons(unix.ETH_P_IPV6)
		if packet[24] == 0xff { // RFC 2464 section 7
			to.Addr = [8]byte{0x33, 0x33, packet[36], packet[37], packet[38], packet[39]}
		}
	} else if packet[16] >= 224 {
		to.Addr = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		if packet[16] < 240 { // RFC 1112 section 6.4
			to.Addr = [8]byte{1, 0, 0x5e, packet[17] & 0x7f, packet[18], packet[19]}
		}
	}
	for {
		err := unix.Sendto(in.fd, packet, 0, &to)
		// The cable's queue is full: the other end is busy.
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EINTR) {
			time.Sleep(50 * time.Microsecond)
			continue
		}
		if err != nil {
			return fmt.Errorf("inject packet: %w", err)
		}
		return nil
	}
}

// Close closes the socket.
func (in *Injector) Close() error { return unix.Close(in.fd) }

func htons(n uint16) uint16 { return n<<8 | n>>8 }

// Tap is a socket that sees packets of a host, with a goroutine that reads it.
type Tap struct {
	file *os.File
	done sync.WaitGroup
}

// Capture gives every IP packet that comes in by any interface of the host to
// see, before its firewall. iface is the interface's number. see is called from
// one goroutine and must not keep the packet.
func (h *Host) Capture(see func(iface int, packet []byte)) (*Tap, error) {
	open := func() (int, error) {
		return unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(htons(unix.ETH_P_ALL)))
	}
	return h.tap("capture", open, func(packet, _ []byte, from unix.Sockaddr) {
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype != unix.PACKET_OUTGOING {
			see(ll.Ifindex, packet)
		}
	})
}

// Arrivals gives every packet of a protocol that is delivered to the host itself
// to see, after its firewall. see is called from one goroutine and must not keep
// the packet.
func (h *Host) Arrivals(family6 bool, protocol uint8, see func(Packet)) (*Tap, error) {
	if !family6 {
		open := func() (int, error) {
			return unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
		}
		return h.tap("arrivals", open, func(packet, _ []byte, _ unix.Sockaddr) {
			if p, ok := ReadPacket(packet); ok {
				see(p)
			}
		})
	}
	open := func() (int, error) {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
		return fd, err
	}
	// A raw socket of IPv6 gives what is behind the headers (RFC 3542 section 3).
	return h.tap("arrivals", open, func(body, control []byte, from unix.Sockaddr) {
		src, ok := from.(*unix.SockaddrInet6)
		messages, err := unix.ParseSocketControlMessage(control)
		if !ok || err != nil || len(messages) == 0 || len(messages[0].Data) < 16 {
			return
		}
		p := Packet{Protocol: protocol, Source: netip.AddrFrom16(src.Addr), Destination: netip.AddrFrom16([16]byte(messages[0].Data))}
		if p, ok = p.readTransport(body); ok {
			see(p)
		}
	})
}

func (h *Host) tap(what string, open func() (int, error), see func(packet, control []byte, from unix.Sockaddr)) (*Tap, error) {
	var fd int
	err := h.Do(func() (err error) {
		if fd, err = open(); err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
			if errors.Is(err, unix.EPERM) { // in a user namespace
				err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<20)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: open socket for %s: %w", h.Name, what, err)
	}
	t := &Tap{file: os.NewFile(uintptr(fd), what)}
	conn, err := t.file.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("host %s: %s: %w", h.Name, what, err), t.file.Close())
	}
	t.done.Go(func() {
		packet, control := make([]byte, 64<<10), make([]byte, 256)
		// Ends when Close makes Read fail.
		for conn.Read(func(fd uintptr) bool {
			n, c, _, from, err := unix.Recvmsg(int(fd), packet, control, 0)
			if err == nil {
				see(packet[:n], control[:c], from)
			}
			return !errors.Is(err, unix.EAGAIN)
		}) == nil {
		}
	})
	return t, nil
}

// Close ends the tap; see is not called any more.
func (t *Tap) Close() error {
	err := t.file.Close()
	t.done.Wait()
	return err
}
