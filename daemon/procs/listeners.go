package procs

import "net/netip"

// Listeners are the listening TCP sockets among others.
type Listeners struct {
	byPort map[uint16][]Socket
}

// NewListeners picks the listening TCP sockets out of a list.
func NewListeners(sockets []Socket) Listeners {
	l := Listeners{byPort: make(map[uint16][]Socket)}
	for _, s := range sockets {
		if s.Protocol == TCP && s.State == Listen {
			l.byPort[s.Local.Port()] = append(l.byPort[s.Local.Port()], s)
		}
	}
	return l
}

// Accepted tells whether a TCP connection came in: whether there is a listening
// socket that would have accepted it, which it returns. Otherwise the
// connection was opened here. The answer is for TCP only: a UDP socket tells
// nothing of who began.
//
// This is a guess. The kernel does not keep who opened a connection in the
// socket; conntrack does, and is to be asked first where it has the connection.
// The guess is wrong for a connection whose listener has closed since (taken for
// opened here), for one that a transparent proxy took in for another port
// (likewise), and for a program that opens connections out of the very port it
// listens on, as some peer-to-peer programs do (taken for come in).
func (l Listeners) Accepted(s Socket) (listener Socket, ok bool) {
	if s.Protocol != TCP || s.State == Listen {
		return Socket{}, false
	}
	for _, candidate := range l.byPort[s.Local.Port()] {
		if candidate.wouldAccept(s.Family, s.Local.Addr(), s.Device) {
			return candidate, true
		}
	}
	return Socket{}, false
}

// wouldAccept compares what an accepted socket inherits from its listener: the
// family (so IPv4 over a dual-stack listener is an IPv6 socket with IPv4
// addresses) and the bound device. A link-local connection has a device though
// its listener may have none.
func (s Socket) wouldAccept(f Family, local netip.Addr, device uint32) bool {
	if s.Family != f || s.Device != 0 && s.Device != device {
		return false
	}
	if !s.Local.Addr().IsUnspecified() {
		return s.Local.Addr() == local
	}
	return s.Local.Addr().Is4() == local.Is4() || s.Local.Addr().Is6() && !s.V6Only
}
