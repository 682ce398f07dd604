package differential

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// shooter makes random shots, each of a flow of its own.
type shooter struct {
	r      *rand.Rand
	wide   bool // users other than root exist
	tuples map[tuple]bool
	labels map[label]int
	id     uint16
}

func newShooter(r *rand.Rand, wide bool) *shooter {
	return &shooter{r: r, wide: wide, tuples: map[tuple]bool{}, labels: map[label]int{}}
}

// shots makes n of them.
func (s *shooter) shots(n int) []shot {
	all := make([]shot, 0, n)
	for len(all) < n {
		if x, ok := s.shot(); ok {
			all = append(all, x)
		}
	}
	return all
}

// shot is ok where neither the flow nor its reply was there before.
func (s *shooter) shot() (shot, bool) {
	x := s.route()
	s.traffic(&x)
	t := tupleOf(x.packet)
	if s.tuples[t] || s.tuples[t.reversed()] {
		return shot{}, false
	}
	s.tuples[t] = true
	// Two ICMP packets of one type between the same ends differ in length.
	l := labelOf(x.packet)
	l.length = 0
	if s.labels[l]++; isICMP(x.packet) {
		x.packet.Payload = append(x.packet.Payload, make([]byte, s.labels[l])...)
	}
	return x, true
}

// route draws the way and the ends.
func (s *shooter) route() shot {
	x := shot{direction: policy.In}
	switch v := s.r.IntN(10); {
	case v >= 8:
		x.direction = policy.Forward
	case v >= 4:
		x.direction = policy.Out
	}
	remote := pick(s.r, remoteAddresses)
	switch x.direction {
	case policy.In:
		x.in = pick(s.r, interfaces)
		x.packet.Source, x.packet.Destination = remote, s.sameFamily(own, remote)
		if one(s.r, 12) {
			x.in = "wan0" // whose subnet has the broadcast address
			x.packet.Destination = s.sameFamily(groups, remote)
		}
	case policy.Out:
		x.out = pick(s.r, interfaces)
		x.packet.Source, x.packet.Destination = s.sameFamily(own, remote), remote
		if s.wide {
			x.uid, x.gid = pick(s.r, ids), pick(s.r, ids)
		}
	case policy.Forward:
		to := s.sameFamily(remoteAddresses, remote)
		for to == remote {
			to = s.sameFamily(remoteAddresses, remote)
		}
		x.packet.Source, x.packet.Destination = remote, to
		x.out = leavesBy(to)
		// What leaves as it came would be answered with a redirect.
		for x.in = x.out; x.in == x.out; {
			x.in = pick(s.r, interfaces)
		}
	}
	return x
}

// own are all addresses of local.
var own = append(slices.Clone(localAddresses), addresses("192.0.2.10", "198.51.100.10", "10.0.0.1", "2001:db8::10", "2001:db8:1::10", "fd00::1")...)

func (s *shooter) sameFamily(list []netip.Addr, as netip.Addr) netip.Addr {
	for {
		if a := pick(s.r, list); a.Is4() == as.Is4() {
			return a
		}
	}
}

// traffic draws what the packet is.
func (s *shooter) traffic(x *shot) {
	p := &x.packet
	six := p.Source.Is6()
	switch v := s.r.IntN(20); {
	case v < 7:
		p.Protocol, p.Flags = 6, hosts.SYN
	case v < 13:
		p.Protocol = 17
	case v < 16:
		p.Protocol, p.ID = 1, s.next()
		p.Type = pick(s.r, []uint8{8, 8, 8, 13, 15, 17, 0, 3})
		if six {
			p.Protocol, p.Type = 58, pick(s.r, []uint8{128, 128, 128, 139, 129, 1})
			// A host answers such a request to many from an address of its own, which
			// makes the answer invalid, and so counted as another packet.
			if toMany(p.Destination) {
				p.Type = 1
			}
		}
	case v < 18:
		p.Protocol = 132
	default:
		p.Protocol = pick(s.r, []uint8{47, 50, 253})
		if !six && one(s.r, 3) {
			p.Protocol = pick(s.r, []uint8{51, 2})
		}
		p.Payload = make([]byte, 24)
		// The kernel answers a refused packet of a protocol that it does not know
		// only where the Internet checksum over it is right: reject_csum_ok and
		// reject6_csum_ok in nf_reject_ipv4.c and nf_reject_ipv6.c; over IPv4
		// without pseudo header, so that zeros do.
		if six && p.Protocol == 253 {
			binary.BigEndian.PutUint16(p.Payload, p.Checksum())
		}
	}
	if !hasPorts(*p) {
		return
	}
	p.DestinationPort = pick(s.r, ports)
	if p.SourcePort = uint16(20000 + s.r.IntN(40000)); one(s.r, 3) {
		p.SourcePort = pick(s.r, ports)
	}
	x.ordinary = x.direction == policy.Out && p.Protocol != 132 && one(s.r, 2)
}

func (s *shooter) next() uint16 { s.id++; return s.id }
