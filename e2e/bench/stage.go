package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

var (
	wallAddress = netip.MustParseAddr("192.0.2.10")
	farAddress  = netip.MustParseAddr("192.0.2.7")
)

// stage is a host with a firewall, another that sends to it, and a cable between them. Two sockets of the first throw away
// all that the firewall lets through.
type stage struct {
	wall, far *hosts.Host
	dir       string // for the files of the firewall
	sender    *sender
	sinks     map[uint16]net.PacketConn
}

func newStage() (s *stage, err error) {
	s = &stage{sinks: map[uint16]net.PacketConn{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "pfw-bench-"); err != nil {
		return s, fmt.Errorf("make directory: %w", err)
	}
	if s.wall, err = hosts.Create("wall"); err != nil {
		return s, err
	}
	if s.far, err = hosts.Create("far"); err != nil {
		return s, err
	}
	err = hosts.Join(hosts.End{Host: s.wall, Interface: "eth0", Addresses: hosts.Addresses("192.0.2.10/24", "2001:db8::10/64")},
		hosts.End{Host: s.far, Interface: "eth0", Addresses: hosts.Addresses("192.0.2.7/24", "2001:db8::7/64")})
	if err != nil {
		return s, err
	}
	// Whoever a packet says it is from is to be found behind the other host.
	if err := s.wall.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), farAddress); err != nil {
		return s, err
	}
	hardware, err := s.wall.Hardware("eth0")
	if err != nil {
		return s, err
	}
	if s.sender, err = newSender(s.far, "eth0", hardware); err != nil {
		return s, err
	}
	for _, port := range []uint16{closedPort, servicePort} {
		if s.sinks[port], err = s.wall.ListenPacket("udp4", fmt.Sprint("0.0.0.0:", port)); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *stage) close() error {
	var errs []error
	for _, sink := range s.sinks {
		errs = append(errs, sink.Close())
	}
	if s.sender != nil {
		errs = append(errs, s.sender.close())
	}
	for _, h := range []*hosts.Host{s.far, s.wall} {
		if h != nil {
			errs = append(errs, h.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// deaf makes the sinks throw away what comes, before it costs a place in their buffers.
func (s *stage) deaf() error {
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	program := unix.SockFprog{Len: 1, Filter: &nothing[0]}
	for port, sink := range s.sinks {
		raw, err := sink.(syscall.Conn).SyscallConn()
		if err == nil {
			err = errors.Join(raw.Control(func(fd uintptr) {
				err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
			}), err)
		}
		if err != nil {
			return fmt.Errorf("filter of port %d: %w", port, err)
		}
	}
	return nil
}

// passes tells whether the firewall lets packets through.
func (s *stage) passes(source uint32, port uint16) (bool, error) {
	st := stream{sources: []uint32{source}, to: netip.AddrPortFrom(wallAddress, port)}
	if _, err := s.sender.send(st, time.Hour, 1); err != nil {
		return false, err
	}
	sink := s.sinks[port]
	if err := sink.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return false, err
	}
	// All that were sent, so that none is left for the next question.
	for got := 0; ; got++ {
		_, _, err := sink.ReadFrom(make([]byte, size))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got > 0, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// check sees to it that the firewall does what the plan says, so that nothing is measured that does not work.
func (s *stage) check(p *plan, name string) error {
	stranger := p.sources(false)[0]
	probes := []struct {
		what   string
		source uint32
		port   uint16
		want   bool
	}{{"a stranger to a closed port", stranger, closedPort, false}, {"a stranger to the service", stranger, servicePort, true}}
	if p.listed {
		probes = append(probes, probes[1])
		probes[2].what, probes[2].source, probes[2].want = "a listed address to the service", p.sources(true)[0], false
	}
	for _, x := range probes {
		got, err := s.passes(x.source, x.port)
		if err != nil {
			return err
		}
		if got != x.want {
			return fmt.Errorf("%s: %s: passes is %t", name, x.what, got)
		}
	}
	return nil
}

// flows opens connections from the firewall's host, so that packets from these ports of the other belong to them.
func (s *stage) flows() (stream, error) {
	four := farAddress.As4()
	st := stream{
		sources: []uint32{uint32(four[0])<<24 | uint32(four[1])<<16 | uint32(four[2])<<8 | uint32(four[3])},
		to:      netip.AddrPortFrom(wallAddress, servicePort),
	}
	for port := uint16(20000); port < 20256; port++ {
		st.ports = append(st.ports, port)
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(farAddress, port))
		if _, err := s.sinks[servicePort].WriteTo([]byte("hi"), to); err != nil {
			return st, fmt.Errorf("open connection: %w", err)
		}
	}
	return st, nil
}
