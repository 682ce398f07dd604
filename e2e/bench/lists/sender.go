package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

// sender puts packets on a cable, many with one call. The kernel takes each to the other end's rules before the call
// returns, so that the time of the sender's thread is what a packet costs.
type sender struct {
	fd int
	to unix.RawSockaddrLinklayer
}

func newSender(from *hosts.Host, cable string, to *hosts.Host) (*sender, error) {
	mac, err := to.Hardware("eth0")
	if err != nil {
		return nil, err
	}
	index, err := from.Index(cable)
	if err != nil {
		return nil, err
	}
	s := &sender{to: unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP)), Ifindex: int32(index), Halen: 6}}
	copy(s.to.Addr[:], mac)
	err = from.Do(func() error {
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	return s, nil
}

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// cost sends so many packets from the sources and gives the processor's nanoseconds for each.
func (s *sender) cost(sources []netip.Addr, count int) (float64, error) {
	packets := make([][]byte, len(sources))
	for i, a := range sources {
		packets[i] = hosts.Packet{Protocol: 17, Source: a, Destination: netip.MustParseAddr("192.0.2.1"),
			SourcePort: uint16(1024 + i), DestinationPort: 5353}.Bytes()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const atOnce = 64
	var list [atOnce]message
	var parts [atOnce]unix.Iovec
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &before); err != nil {
		return 0, err
	}
	sent := 0
	for sent < count {
		for i := range list {
			p := packets[(sent+i)%len(packets)]
			parts[i].Base = &p[0]
			parts[i].SetLen(len(p))
			list[i].header.Name, list[i].header.Namelen = (*byte)(unsafe.Pointer(&s.to)), unix.SizeofSockaddrLinklayer
			list[i].header.Iov = &parts[i]
			list[i].header.SetIovlen(1)
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&list[0])), atOnce, 0, 0, 0)
		if errno != 0 && errno != unix.ENOBUFS && errno != unix.EINTR {
			return 0, fmt.Errorf("send packets: %w", errno)
		}
		if errno == 0 {
			sent += int(n)
		}
	}
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &after); err != nil {
		return 0, err
	}
	spent := after.Stime.Nano() + after.Utime.Nano() - before.Stime.Nano() - before.Utime.Nano()
	return float64(spent) / float64(sent), nil
}
