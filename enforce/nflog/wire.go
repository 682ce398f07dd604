package nflog

import (
	"bytes"
	"encoding/binary"
	"iter"
	"time"

	"golang.org/x/sys/unix"
)

const (
	messageHeader   = 16 // struct nlmsghdr
	groupHeader     = 4  // struct nfgenmsg
	attributeHeader = 4  // struct nlattr
)

// linux/netfilter/nfnetlink_log.h, enum nfulnl_attr_type: what the kernel tells of a packet. All numbers are big-endian.
const (
	attrHook      = 1 // struct nfulnl_msg_packet_hdr
	attrTimestamp = 3 // struct nfulnl_msg_packet_timestamp
	attrIn        = 4
	attrOut       = 5
	attrPayload   = 9
	attrPrefix    = 10
	attrUID       = 11
	attrSequence  = 12
	attrGID       = 14
)

// align is where the next message or attribute begins.
func align(n int) int { return (n + 3) &^ 3 }

// messages gives the messages of a datagram, by their netlink type. It ends early where a length cannot be.
func messages(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= messageHeader {
			n := uint64(binary.NativeEndian.Uint32(b))
			if n < messageHeader || n > uint64(len(b)) || !yield(binary.NativeEndian.Uint16(b[4:]), b[messageHeader:n]) {
				return
			}
			b = b[min(align(int(n)), len(b)):]
		}
	}
}

// attributes gives the attributes of a message, by their type. It ends early where a length cannot be.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= attributeHeader {
			n := int(binary.NativeEndian.Uint16(b))
			if n < attributeHeader || n > len(b) || !yield(binary.NativeEndian.Uint16(b[2:]), b[attributeHeader:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// answer reads the kernel's answer to a request: 0 is consent.
func answer(kind uint16, body []byte) (unix.Errno, bool) {
	if kind != unix.NLMSG_ERROR || len(body) < 4 {
		return 0, false
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(body))), true
}

// datagram hands over the packets of a datagram.
func (s *socket) datagram(b []byte, deliver func(*record)) {
	var r record
	for kind, body := range messages(b) {
		if errno, ok := answer(kind, body); ok && errno != 0 && errno != unix.EBUSY { // EBUSY is what alive waits for
			s.log.Warn("the kernel refused a request", "group", s.group, "error", errno)
		}
		if kind == unix.NFNL_SUBSYS_ULOG<<8|msgPacket && len(body) >= groupHeader {
			r.read(body[groupHeader:])
			deliver(&r)
		}
	}
}

// read reads one packet's message. What is missing or too short stays zero.
func (r *record) read(b []byte) {
	*r = record{}
	for kind, data := range attributes(b) {
		switch {
		case kind == attrHook && len(data) >= 3:
			r.hook = hookOf(data[2])
		case kind == attrTimestamp && len(data) >= 16:
			r.timestamp = time.Unix(int64(binary.BigEndian.Uint64(data)), int64(binary.BigEndian.Uint64(data[8:]))*1000)
		case kind == attrIn && len(data) >= 4:
			r.in = binary.BigEndian.Uint32(data)
		case kind == attrOut && len(data) >= 4:
			r.out = binary.BigEndian.Uint32(data)
		case kind == attrPayload:
			r.packet = data
		case kind == attrPrefix:
			r.prefix, _, _ = bytes.Cut(data, []byte{0})
		case kind == attrUID && len(data) >= 4:
			r.uid = owner{binary.BigEndian.Uint32(data), true}
		case kind == attrGID && len(data) >= 4:
			r.gid = owner{binary.BigEndian.Uint32(data), true}
		case kind == attrSequence && len(data) >= 4:
			r.sequence = sequence{binary.BigEndian.Uint32(data), true}
		}
	}
}
