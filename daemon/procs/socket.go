// Package procs tells who owns a connection: the open sockets of this machine
// and the processes that hold them.
package procs

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Protocol is a transport protocol by its IANA number.
type Protocol uint8

// The protocols whose sockets are listed.
const (
	TCP Protocol = unix.IPPROTO_TCP
	UDP Protocol = unix.IPPROTO_UDP
)

// String returns "tcp" or "udp".
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	panic(fmt.Sprintf("procs: protocol %d", uint8(p)))
}

// Family is the address family a socket was made with. The addresses of a
// connection do not tell it: an IPv6 socket speaks IPv4 too.
type Family uint8

// The families whose sockets are listed.
const (
	IPv4 Family = unix.AF_INET
	IPv6 Family = unix.AF_INET6
)

// String returns "ipv4" or "ipv6".
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	panic(fmt.Sprintf("procs: family %d", uint8(f)))
}

// State is the state of a socket in the kernel's numbers (include/net/tcp_states.h).
// UDP knows two of them: Established for a connected socket, Close for any other.
type State uint8

// The states, see RFC 9293 section 3.3.2.
const (
	_ State = iota
	Established
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	Closing
)

// String returns the kernel's name of the state, as "LISTEN".
func (s State) String() string {
	switch s {
	case Established:
		return "ESTABLISHED"
	case SynSent:
		return "SYN_SENT"
	case SynRecv:
		return "SYN_RECV"
	case FinWait1:
		return "FIN_WAIT1"
	case FinWait2:
		return "FIN_WAIT2"
	case TimeWait:
		return "TIME_WAIT"
	case Close:
		return "CLOSE"
	case CloseWait:
		return "CLOSE_WAIT"
	case LastAck:
		return "LAST_ACK"
	case Listen:
		return "LISTEN"
	case Closing:
		return "CLOSING"
	}
	panic(fmt.Sprintf("procs: state %d", uint8(s)))
}

// Socket is one open socket of this network namespace.
type Socket struct {
	Protocol Protocol
	Family   Family
	State    State
	// Local and Remote are the ends. IPv4 addresses are written as such, also
	// where an IPv6 socket holds them; the remote end of an unconnected socket is
	// the unspecified address with port 0. There are no zones: Device has them.
	Local, Remote netip.AddrPort
	// V6Only tells that an unconnected IPv6 socket takes no IPv4 (IPV6_V6ONLY).
	// False on an IPv6 socket at "::": it hears IPv4 as well. The kernel tells
	// it in the states Listen and Close only; it is false in all others.
	V6Only bool
	// Device is the index of the interface the socket is bound to, which a
	// link-local address does by itself; 0 is any.
	Device uint32
	// UID owns the socket, seen from the user namespace of the caller. It means
	// nothing where Inode is 0.
	UID uint32
	// Inode names the socket in /proc/PID/fd. It is 0 where no process holds it:
	// closed and still in TIME_WAIT, say, or not yet accepted.
	Inode uint32
	// CgroupID is the inode of the cgroup (version 2) directory the socket was
	// made in; 0 is unknown.
	CgroupID uint64
	// Cookie is the kernel's own name of the socket and is never used again.
	Cookie uint64
}

// Listening tells whether the socket waits for anybody: a listening TCP socket
// or an unconnected UDP socket.
func (s Socket) Listening() bool {
	return s.State == Listen || s.Protocol == UDP && s.State == Close
}

// String returns the socket as "tcp ESTABLISHED 192.0.2.1:22 203.0.113.7:40312".
func (s Socket) String() string {
	return fmt.Sprintf("%s %s %s %s", s.Protocol, s.State, s.Local, s.Remote)
}
