package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

const (
	batch   = 64 // packets that go to the kernel in one call
	size    = 14 + 20 + 8 + 4
	ipStart = 14
)

// sender puts UDP packets on a cable as fast as one CPU can. The kernel hands each of them to the other end of the cable
// before it takes the next one, in the sender's time: so the sender's CPU time is what the packets cost at both ends.
type sender struct {
	fd       int
	frames   [batch][size]byte
	vectors  [batch]unix.Iovec
	messages [batch]message
	sent     uint32 // packets so far, for tuples that were not there before
}

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

func newSender(from *hosts.Host, iface string, to net.HardwareAddr) (*sender, error) {
	index, err := from.Index(iface)
	if err != nil {
		return nil, err
	}
	own, err := from.Hardware(iface)
	if err != nil {
		return nil, err
	}
	s := &sender{}
	err = from.Do(func() error {
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open packet socket: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The cable has no queue anyway; this leaves out the search for one.
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return nil, errors.Join(fmt.Errorf("set up packet socket: %w", err), s.close())
	}
	if err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind packet socket: %w", err), s.close())
	}
	for i := range batch {
		f := &s.frames[i]
		copy(f[0:], to)
		copy(f[6:], own)
		binary.BigEndian.PutUint16(f[12:], unix.ETH_P_IP)
		s.vectors[i] = unix.Iovec{Base: &f[0]}
		s.vectors[i].SetLen(size)
		s.messages[i].header.Iov = &s.vectors[i]
		s.messages[i].header.SetIovlen(1)
	}
	return s, nil
}

func (s *sender) close() error { return unix.Close(s.fd) }

// stream is what to send: from each of the sources in turn, each time from another port, to one port. Where ports are
// given they are the source ports instead, so that the same few flows come again and again.
type stream struct {
	sources []uint32
	ports   []uint16
	to      netip.AddrPort
}

// fill writes the next packets.
func (s *sender) fill(st stream) {
	to := st.to.Addr().As4()
	for i := range batch {
		ip := s.frames[i][ipStart:]
		n := s.sent
		s.sent++
		binary.BigEndian.PutUint32(ip[0:], 0x45000000|(size-ipStart))
		binary.BigEndian.PutUint32(ip[4:], 0)
		ip[8], ip[9], ip[10], ip[11] = 64, unix.IPPROTO_UDP, 0, 0
		binary.BigEndian.PutUint32(ip[12:], st.sources[n%uint32(len(st.sources))])
		copy(ip[16:], to[:])
		sum := uint32(0)
		for j := 0; j < 20; j += 2 {
			sum += uint32(binary.BigEndian.Uint16(ip[j:]))
		}
		sum = sum>>16 + sum&0xffff
		binary.BigEndian.PutUint16(ip[10:], ^uint16(sum>>16+sum))
		port := uint16(1024 + (n+n>>16)%60000)
		if st.ports != nil {
			port = st.ports[n%uint32(len(st.ports))]
		}
		udp := ip[20:]
		binary.BigEndian.PutUint16(udp, port)
		binary.BigEndian.PutUint16(udp[2:], st.to.Port())
		binary.BigEndian.PutUint16(udp[4:], 12)
		udp[6], udp[7] = 0, 0 // RFC 768: no checksum
	}
}

// burst is what was sent, and the CPU time that it took.
type burst struct {
	packets int
	cpu     time.Duration
}

// perSecond is packets per second of CPU time.
func (b burst) perSecond() float64 { return float64(b.packets) / b.cpu.Seconds() }

// send sends until so much CPU time is used or so many packets are sent. It keeps to one CPU: packets are handed over on
// the CPU that they are sent on.
func (s *sender) send(st stream, limit time.Duration, packets int) (burst, error) {
	restore, err := pin(anyCPU)
	if err != nil {
		return burst{}, err
	}
	defer restore()
	var b burst
	begin, err := threadTime()
	if err != nil {
		return b, err
	}
	for b.packets < packets && b.cpu < limit {
		s.fill(st)
		if err := s.flush(); err != nil {
			return b, err
		}
		b.packets += batch
		now, err := threadTime()
		if err != nil {
			return b, err
		}
		b.cpu = now - begin
	}
	return b, nil
}

// flush hands a batch to the kernel.
func (s *sender) flush() error {
	for done := 0; done < batch; {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.messages[done])), uintptr(batch-done), 0, 0, 0)
		switch errno {
		case 0:
			done += int(n)
		case unix.EINTR:
		case unix.ENOBUFS:
			time.Sleep(50 * time.Microsecond)
		default:
			return fmt.Errorf("send packets: %w", errno)
		}
	}
	return nil
}

// anyCPU is the one that a thread runs on.
const anyCPU = -1

// pin keeps the calling goroutine on a CPU, until restore.
func pin(cpu int) (restore func(), err error) {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("read affinity: %w", err)
	}
	if cpu == anyCPU {
		cpu, err = currentCPU()
	}
	if err == nil {
		one.Set(cpu)
		err = unix.SchedSetaffinity(0, &one)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("keep to one CPU: %w", err)
	}
	return func() {
		// A thread that stays pinned costs the next measurement a little; nothing worse.
		_ = unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	}, nil
}

func currentCPU() (int, error) {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return 0, errno
	}
	return int(cpu), nil
}

// threadTime is the CPU time of the calling thread, with what the kernel did in its stead while it was interrupted.
func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
