package enforce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// dumpBuffer is as much as the kernel gives at once (netlink_dump in net/netlink/af_netlink.c). It gives no more than it has
// been asked for before, and goes over all from the beginning for each piece, so that small pieces of a long list take the
// square of its length; the netlink package asks for 4 KiB.
const dumpBuffer = 32 << 10

// dump reads objects of a kind and gives the attributes of each, which last until the next. The error is errTorn at the end
// where the ruleset changed meanwhile.
func (s *socket) dump(kind int, which []byte, each func(attributes []byte) error) error {
	return s.dumpOf(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NFPROTO_INET, which, each)
}

// dumpOf is dump of any part of netfilter: kind is with the number of its subsystem.
func (s *socket) dumpOf(kind int, family byte, which []byte, each func(attributes []byte) error) error {
	raw, err := s.nl.SyscallConn()
	if err != nil {
		return err
	}
	if s.buffer == nil {
		s.buffer = make([]byte, dumpBuffer)
	}
	s.sequence++
	// Written here, as there are thousands: the netlink package takes as long for one as the kernel.
	s.request = appendMessage(s.request[:0], kind, netlink.Dump, s.sequence, family, 0)
	s.request = append(s.request, which...)
	binary.NativeEndian.PutUint32(s.request, uint32(len(s.request)))
	var failed error
	for {
		err := raw.Control(func(fd uintptr) {
			failed = unix.Sendto(int(fd), s.request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		})
		if err := errors.Join(err, failed); !errors.Is(err, unix.EINTR) {
			if err != nil {
				return err
			}
			break
		}
	}
	var n int
	var received error
	// Each piece is there when the one before it has been taken, so there is nothing to wait for.
	receive := func(fd uintptr) { n, _, received = unix.Recvfrom(int(fd), s.buffer, unix.MSG_DONTWAIT) }
	for torn := false; ; {
		err := raw.Control(receive)
		if errors.Is(received, unix.EINTR) {
			continue
		}
		if err := errors.Join(err, received); err != nil {
			return err
		}
		for b := s.buffer[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			length := int(binary.NativeEndian.Uint32(b))
			if length < unix.NLMSG_HDRLEN || length > len(b) {
				return errors.New("the kernel sent a message that is cut short")
			}
			kind, flags, sequence := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint32(b[8:])
			data := b[unix.NLMSG_HDRLEN:length]
			b = b[min(len(b), (length+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
			if sequence != s.sequence {
				continue
			}
			torn = torn || flags&unix.NLM_F_DUMP_INTR != 0
			switch {
			case kind == unix.NLMSG_ERROR || kind == unix.NLMSG_DONE:
				return errors.Join(failed, endOfDump(data, torn))
			case failed != nil:
				// The rest must be taken all the same.
			case len(data) < 4:
				failed = errors.New("the kernel sent a short message")
			default:
				failed = each(data[4:])
			}
		}
	}
}

// endOfDump reads the last message, which begins with a number that is 0 or the negative of an error's.
func endOfDump(data []byte, torn bool) error {
	if len(data) >= 4 {
		if code := int32(binary.NativeEndian.Uint32(data)); code < 0 {
			return unix.Errno(-code)
		}
	}
	if torn {
		return errTorn
	}
	return nil
}

// attributes goes over netlink attributes, each with its number and value.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			length, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
			if length < unix.SizeofNlAttr || length > len(b) {
				return
			}
			if !yield(kind&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:length]) {
				return
			}
			b = b[min(len(b), (length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
		}
	}
}

// text is a value with a final zero byte.
func text(value []byte) string {
	if n := len(value); n > 0 && value[n-1] == 0 {
		value = value[:n-1]
	}
	return string(value)
}

// number is a value in network byte order; 0 where it is none.
func number(value []byte) uint64 {
	switch len(value) {
	case 4:
		return uint64(binary.BigEndian.Uint32(value))
	case 8:
		return binary.BigEndian.Uint64(value)
	}
	return 0
}

// at gives the first attribute of a number, nil where there is none.
func at(b []byte, kind uint16) []byte {
	for k, value := range attributes(b) {
		if k == kind {
			return value
		}
	}
	return nil
}

func listing(what string, err error) error {
	if err != nil {
		return fmt.Errorf("list %s: %w", what, err)
	}
	return nil
}
