package differential

import (
	"sync"

	"pfw/e2e/hosts"
)

// fate is what became of a packet, counted.
type fate struct {
	arrivals   int // on the cable behind local's firewall, or at local behind it
	resets     int // TCP
	prohibited int // ICMP: communication administratively prohibited
}

// seen gathers the fates of packets from all around the firewall.
type seen struct {
	mu    sync.Mutex
	fates map[tuple]fate
}

// delivered are the protocols whose arrival at local itself is watched.
var delivered = map[bool][]uint8{
	false: {1, 2, 6, 17, 47, 50, 51, 132, 253},
	true:  {6, 17, 47, 50, 58, 132, 253},
}

// watch begins to look at everything that comes out at a side of the firewall:
// what strangers and hosts behind get, what local's sockets get, and what local
// answers to itself by loopback.
func watch(n *network) *seen {
	n.t.Helper()
	s := &seen{fates: map[tuple]fate{}}
	var taps []*hosts.Tap
	add := func(t *hosts.Tap, err error) {
		n.t.Helper()
		n.must(err)
		taps = append(taps, t)
	}
	add(n.stranger.Capture(func(_ int, b []byte) { s.onCable(b) }))
	add(n.behind.Capture(func(_ int, b []byte) { s.onCable(b) }))
	loopback, err := n.local.Index("lo")
	n.must(err)
	add(n.local.Capture(func(iface int, b []byte) {
		if iface == loopback {
			s.onCable(b)
		}
	}))
	for six, protocols := range delivered {
		for _, protocol := range protocols {
			add(n.local.Arrivals(six, protocol, s.atSocket))
		}
	}
	n.t.Cleanup(func() {
		for _, t := range taps {
			if err := t.Close(); err != nil {
				n.t.Error(err)
			}
		}
	})
	return s
}

func (s *seen) count(t tuple, add func(*fate)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fates[t]
	add(&f)
	s.fates[t] = f
}

func (s *seen) onCable(b []byte) {
	p, ok := hosts.ReadPacket(b)
	switch {
	case !ok:
	case p.Protocol == 6 && p.Flags&hosts.RST != 0:
		s.count(tupleOf(p).reversed(), func(f *fate) { f.resets++ })
	case p.Protocol == 1 && p.Type == 3 && p.Code == 13, p.Protocol == 58 && p.Type == 1 && p.Code == 1:
		if inner, ok := hosts.ReadPacket(p.Payload); ok {
			s.count(tupleOf(inner), func(f *fate) { f.prohibited++ })
		}
	default:
		s.count(tupleOf(p), func(f *fate) { f.arrivals++ })
	}
}

func (s *seen) atSocket(p hosts.Packet) {
	// Answers are seen on loopback already.
	if p.Protocol != 6 || p.Flags&hosts.RST == 0 {
		s.count(tupleOf(p), func(f *fate) { f.arrivals++ })
	}
}

func (s *seen) of(t tuple) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fates[t]
}

// forget begins anew.
func (s *seen) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fates = map[tuple]fate{}
}
