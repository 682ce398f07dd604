package procs

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrDestroyUnsupported says that the running kernel cannot destroy sockets: it
// was built without CONFIG_INET_DIAG_DESTROY.
var ErrDestroyUnsupported = errors.New("kernel cannot destroy sockets")

// dumpSize is the most the kernel puts into one part of a dump, and it does so
// only for a reader whose buffer is that big (netlink_dump in
// net/netlink/af_netlink.c). The usual 4 KiB took three times as long.
const dumpSize = 32 << 10

// Sockets returns the open TCP and UDP sockets of both families in the network
// namespace of the calling thread. It needs no privilege. The kernel walks its
// tables while sockets come and go, so one that moves between two states
// meanwhile may be missing or there twice.
func Sockets() ([]Socket, error) {
	return dump(TCP, UDP)
}

func dump(protocols ...Protocol) (sockets []Socket, err error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{MessageBufferSize: dumpSize})
	if err != nil {
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, p := range protocols {
		for _, f := range []Family{IPv4, IPv6} {
			if sockets, err = appendAnswers(sockets, conn, dumpRequest(p, f), p); err != nil {
				return nil, fmt.Errorf("list %s sockets of %s: %w", p, f, err)
			}
		}
	}
	return sockets, nil
}

func appendAnswers(sockets []Socket, conn *netlink.Conn, request []byte, p Protocol) ([]Socket, error) {
	if _, err := conn.Send(dumpMessage(request)); err != nil {
		return nil, err
	}
	for m, err := range conn.ReceiveIter() {
		if errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("kernel module %s_diag is missing: %w", p, err)
		}
		if err != nil {
			return nil, err
		}
		s, err := decode(m.Data, p)
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// Destroy ends one connection, a TCP socket or a connected UDP socket: both ends
// of TCP are told by a reset, and whoever reads or writes here gets
// ECONNABORTED. That the socket is gone already, or another has its addresses by now, is
// no error. It needs CAP_NET_ADMIN. The error is ErrDestroyUnsupported where the
// kernel cannot do it. A socket that listens is refused: to destroy it would end
// a service, not a connection.
func Destroy(s Socket) (err error) {
	if s.Listening() {
		return fmt.Errorf("destroy %s: it is no connection", s)
	}
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return fmt.Errorf("destroy %s: open sock_diag: %w", s, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()

	_, err = conn.Execute(destroyMessage(socketRequest(s)))
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("destroy %s: %w", s, ErrDestroyUnsupported)
	default:
		return fmt.Errorf("destroy %s: %w", s, err)
	}
}
