// Package nflog reads what the kernel's nftables "log group" statements report: one Message for each logged packet, its headers
// decoded into a Packet.
package nflog

import (
	"fmt"
	"time"
)

// Hook is the place in the packet's way where it was logged.
type Hook uint8

// The hooks that a firewall's rules stand in. A packet that somebody else's rule logged to the same group from another hook,
// such as prerouting, has none of them: its Hook is zero.
const (
	_ Hook = iota
	Input
	Forward
	Output
)

// String gives nft's name of the hook, and "other" for the zero Hook.
func (h Hook) String() string {
	switch h {
	case 0:
		return "other"
	case Input:
		return "input"
	case Forward:
		return "forward"
	case Output:
		return "output"
	}
	panic(fmt.Sprintf("nflog: invalid hook %d", uint8(h)))
}

// hookOf maps the kernel's number (enum nf_inet_hooks in linux/netfilter.h).
func hookOf(number uint8) Hook {
	switch number {
	case 1:
		return Input
	case 2:
		return Forward
	case 3:
		return Output
	}
	return 0
}

// Message is one logged packet. It holds values only, nothing of the buffer that it was read from, and belongs to whom it was
// given to.
type Message struct {
	// Prefix is the log statement's, at most 127 bytes.
	Prefix string

	Hook Hook

	// InIface is the name of the interface that the packet came in by (Input, Forward), OutIface of the one that it leaves by
	// (Forward, Output). Empty where there is none, or where the interface is gone by now.
	InIface, OutIface string

	// OutIndex is the number of OutIface, 0 where the packet does not leave.
	OutIndex uint32

	// UID and GID are the owner of the local socket, valid if known: for packets that a local socket sent, and where the kernel
	// has found the receiving socket by then. They are ids of the reader's user namespace.
	UID, GID           uint32
	UIDKnown, GIDKnown bool

	// Timestamp is when the packet arrived, by the kernel's clock; where the kernel gives none, as for outgoing packets, when the
	// message was read: up to 10 ms later.
	Timestamp time.Time

	// Packet is zero, and PacketError says why, where the kernel's copy could not be decoded.
	Packet      Packet
	PacketError error
}

// record is one message as the kernel sent it, before names are looked up and the packet is decoded: the seam between the
// socket and everything else. It is good only during the call that hands it over.
type record struct {
	prefix    []byte
	hook      Hook
	in, out   uint32 // interface index, 0 = none
	uid, gid  owner
	timestamp time.Time // zero = none given
	sequence  sequence
	packet    []byte
}

// owner is a user's or a group's id.
type owner struct {
	id    uint32
	known bool
}

// sequence is a message's number in its group. A message that was logged while the group was being set up has none.
type sequence struct {
	number uint32
	known  bool
}
