package procs

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Sizes, offsets and attributes of include/uapi/linux/inet_diag.h, which
// golang.org/x/sys does not carry.
const (
	requestSize = 56 // struct inet_diag_req_v2
	messageSize = 72 // struct inet_diag_msg

	requestID = 8 // offset of struct inet_diag_sockid in the request
	messageID = 4 // and in the message

	idRemotePort = 2 // offsets in struct inet_diag_sockid
	idLocal      = 4
	idRemote     = 20
	idDevice     = 36
	idCookie     = 40

	messageUID   = 64
	messageInode = 68

	attributeV6Only   = 11 // INET_DIAG_SKV6ONLY
	attributeCgroupID = 21 // INET_DIAG_CGROUP_ID, kernel 5.9 and newer
)

// allStates asks for every state that decode knows. The kernel adds the half-open
// connections of a listener to SYN_RECV by itself.
const allStates = 1<<(Closing+1) - 1<<Established

// dumpRequest asks for all sockets of a protocol and family.
func dumpRequest(p Protocol, f Family) []byte {
	b := make([]byte, requestSize)
	b[0], b[1] = byte(f), byte(p)
	binary.NativeEndian.PutUint32(b[4:], allStates)
	return b
}

// putPort narrows a dumpRequest down to the sockets on a local port.
func putPort(request []byte, port uint16) { binary.BigEndian.PutUint16(request[requestID:], port) }

// anyCookie names a socket by its ends alone: INET_DIAG_NOCOOKIE, twice.
const anyCookie = 1<<64 - 1

// socketRequest names exactly one socket.
func socketRequest(s Socket) []byte {
	b := make([]byte, requestSize)
	b[0], b[1] = byte(s.Family), byte(s.Protocol)
	id := b[requestID:]
	binary.BigEndian.PutUint16(id, s.Local.Port())
	binary.BigEndian.PutUint16(id[idRemotePort:], s.Remote.Port())
	putAddr(id[idLocal:], s.Family, s.Local.Addr())
	putAddr(id[idRemote:], s.Family, s.Remote.Addr())
	binary.NativeEndian.PutUint32(id[idDevice:], s.Device)
	// Two words of host order, the low one first on every machine.
	binary.NativeEndian.PutUint32(id[idCookie:], uint32(s.Cookie))
	binary.NativeEndian.PutUint32(id[idCookie+4:], uint32(s.Cookie>>32))
	return b
}

// putAddr writes an address the way the socket holds it: an IPv6 socket has IPv4
// addresses mapped.
func putAddr(b []byte, f Family, a netip.Addr) {
	if f == IPv4 {
		b4 := a.As4()
		copy(b, b4[:])
		return
	}
	b16 := a.As16()
	copy(b, b16[:])
}

// addr reads an address of the family and unmaps it.
func addr(b []byte, f Family) netip.Addr {
	if f == IPv4 {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}

// decode reads the payload of one answer: struct inet_diag_msg and attributes.
// The message does not carry the protocol.
func decode(b []byte, p Protocol) (Socket, error) {
	if len(b) < messageSize {
		return Socket{}, fmt.Errorf("socket message of %d bytes, want at least %d", len(b), messageSize)
	}
	s := Socket{Protocol: p, Family: Family(b[0]), State: State(b[1])}
	if s.Family != IPv4 && s.Family != IPv6 {
		return Socket{}, fmt.Errorf("socket message of address family %d", b[0])
	}
	if s.State < Established || s.State > Closing {
		return Socket{}, fmt.Errorf("socket message with state %d", b[1])
	}
	id := b[messageID:]
	s.Local = netip.AddrPortFrom(addr(id[idLocal:], s.Family), binary.BigEndian.Uint16(id))
	s.Remote = netip.AddrPortFrom(addr(id[idRemote:], s.Family), binary.BigEndian.Uint16(id[idRemotePort:]))
	s.Device = binary.NativeEndian.Uint32(id[idDevice:])
	s.Cookie = uint64(binary.NativeEndian.Uint32(id[idCookie:])) |
		uint64(binary.NativeEndian.Uint32(id[idCookie+4:]))<<32
	s.UID = binary.NativeEndian.Uint32(b[messageUID:])
	s.Inode = binary.NativeEndian.Uint32(b[messageInode:])

	attributes, err := netlink.NewAttributeDecoder(b[messageSize:])
	if err != nil {
		return Socket{}, fmt.Errorf("socket message: %w", err)
	}
	for attributes.Next() {
		switch attributes.Type() {
		case attributeV6Only:
			s.V6Only = attributes.Uint8() != 0
		case attributeCgroupID:
			s.CgroupID = attributes.Uint64()
		}
	}
	if err := attributes.Err(); err != nil {
		return Socket{}, fmt.Errorf("socket message: %w", err)
	}
	return s, nil
}

// dumpMessage and destroyMessage wrap a request for the netlink socket.
func dumpMessage(data []byte) netlink.Message {
	return message(unix.SOCK_DIAG_BY_FAMILY, netlink.Request|netlink.Dump, data)
}

func destroyMessage(data []byte) netlink.Message {
	return message(unix.SOCK_DESTROY, netlink.Request|netlink.Acknowledge, data)
}

func message(kind netlink.HeaderType, flags netlink.HeaderFlags, data []byte) netlink.Message {
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: flags}, Data: data}
}
