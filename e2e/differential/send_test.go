package differential

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// owner is whose socket sends.
type owner struct{ uid, gid uint32 }

// fire sends all shots.
func (n *network) fire(shots []shot) {
	n.t.Helper()
	own := map[owner][]shot{}
	for _, s := range shots {
		if s.direction == policy.Out {
			who := owner{s.uid, s.gid}
			own[who] = append(own[who], s)
			continue
		}
		n.must(n.inject[s.in].Send(s.packet.Bytes()))
	}
	for who := range maps.Keys(own) {
		n.must(n.local.Do(func() error { return asOwner(who, func() error { return sendOwn(own[who]) }) }))
	}
}

// asOwner makes the sockets that f opens belong to another user and group. Only
// this thread changes, and only what files are made with: it may still do all
// that root may.
func asOwner(who owner, f func() error) (err error) {
	if err := errors.Join(unix.Setfsgid(int(who.gid)), unix.Setfsuid(int(who.uid))); err != nil {
		return fmt.Errorf("become user %d, group %d: %w", who.uid, who.gid, err)
	}
	defer func() { err = errors.Join(err, unix.Setfsuid(0), unix.Setfsgid(0)) }()
	return f()
}

// sendOwn sends packets of this host. A refusal is no error: that a packet was
// refused is seen elsewhere.
func sendOwn(shots []shot) (err error) {
	type way struct {
		six   bool
		iface string
	}
	raw := map[way]int{}
	defer func() {
		for _, fd := range raw {
			err = errors.Join(err, unix.Close(fd))
		}
	}()
	for _, s := range shots {
		if s.ordinary {
			err = sendOrdinary(s)
		} else {
			w := way{s.packet.Source.Is6(), s.out}
			fd, ok := raw[w]
			if !ok {
				if fd, err = rawSocket(w.six, w.iface); err != nil {
					return err
				}
				raw[w] = fd
			}
			err = unix.Sendto(fd, s.packet.Bytes(), 0, sockaddr(s.packet.Destination, 0))
		}
		if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.ECONNREFUSED) &&
			!errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("send %s -> %s by %s: %w", s.packet.Source, s.packet.Destination, s.out, err)
		}
	}
	return nil
}

// rawSocket sends whole packets by an interface.
func rawSocket(six bool, iface string) (int, error) {
	family := unix.AF_INET
	if six {
		family = unix.AF_INET6
	}
	// With this protocol both families take the header from the sender.
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return 0, fmt.Errorf("open raw socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(marks[iface]))
	if err == nil && !six {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("prepare raw socket: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// sendOrdinary opens a connection, or sends a datagram, and closes the socket
// before anything is sent again.
func sendOrdinary(s shot) error {
	p := s.packet
	family, kind := unix.AF_INET, unix.SOCK_DGRAM
	if p.Source.Is6() {
		family = unix.AF_INET6
	}
	if p.Protocol == 6 {
		kind = unix.SOCK_STREAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(marks[s.out])),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, sockaddr(p.Source, p.SourcePort)),
	)
	if err == nil && p.Protocol == 6 {
		err = unix.Connect(fd, sockaddr(p.Destination, p.DestinationPort))
	} else if err == nil {
		err = unix.Sendto(fd, p.Payload, 0, sockaddr(p.Destination, p.DestinationPort))
	}
	return errors.Join(err, unix.Close(fd))
}

func sockaddr(a netip.Addr, port uint16) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: a.As16()}
}
