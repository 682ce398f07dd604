package procs

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Finder looks single sockets up. It serves one goroutine.
type Finder struct{ conn *netlink.Conn }

// OpenFinder makes one for the network namespace of the calling thread.
func OpenFinder() (*Finder, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{MessageBufferSize: dumpSize})
	if err != nil {
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	return &Finder{conn}, nil
}

// Close ends it.
func (f *Finder) Close() error { return f.conn.Close() }

// Senders finds the sockets that may have sent a packet, by its ends and the index of the interface that it leaves by:
// several of UDP may share a port. None means that the socket is gone.
func (f *Finder) Senders(p Protocol, local, remote netip.AddrPort, device uint32) ([]Socket, error) {
	if p == TCP {
		return f.connection(local, remote, device)
	}
	return f.onPort(local, device)
}

// connection finds a TCP connection, of which there is one at most. Where there is none the kernel gives a listener on
// the port, which is not what was asked for.
func (f *Finder) connection(local, remote netip.AddrPort, device uint32) ([]Socket, error) {
	question := Socket{Protocol: TCP, Family: familyOf(local.Addr()), Local: local, Remote: remote, Device: device, Cookie: anyCookie}
	answers, err := f.conn.Execute(message(unix.SOCK_DIAG_BY_FAMILY, netlink.Request, socketRequest(question)))
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", question, err)
	}
	for _, m := range answers {
		s, err := decode(m.Data, TCP)
		if err != nil {
			return nil, err
		}
		if s.Local == local && s.Remote == remote {
			return []Socket{s}, nil
		}
	}
	return nil, nil
}

// onPort finds the UDP sockets on a local port that may send from an address of its family. The kernel's own look-up gives
// one of several that share an end, whichever; and what a socket is bound and connected to need not be what it sends
// from (IP_PKTINFO) and to (sendto), so neither is asked.
func (f *Finder) onPort(local netip.AddrPort, device uint32) ([]Socket, error) {
	families := []Family{IPv6}
	if local.Addr().Is4() {
		families = []Family{IPv4, IPv6} // one of IPv6 may speak IPv4 too
	}
	var found []Socket
	for _, family := range families {
		request := dumpRequest(UDP, family)
		putPort(request, local.Port())
		all, err := appendAnswers(nil, f.conn, request, UDP)
		if err != nil {
			return nil, fmt.Errorf("look up udp sockets on port %d: %w", local.Port(), err)
		}
		for _, s := range all {
			silent := s.Family == IPv6 && s.V6Only && local.Addr().Is4() || s.Device != 0 && s.Device != device
			if !silent {
				found = append(found, s)
			}
		}
	}
	return found, nil
}

func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}
