package procs

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

// wire writes the message the kernel would send for a socket.
func wire(s Socket) []byte {
	b := make([]byte, messageSize)
	b[0], b[1] = byte(s.Family), byte(s.State)
	copy(b[messageID:], socketRequest(s)[requestID:])
	binary.NativeEndian.PutUint32(b[messageUID:], s.UID)
	binary.NativeEndian.PutUint32(b[messageInode:], s.Inode)
	if s.V6Only {
		b = append(b, attribute(attributeV6Only, []byte{1})...)
	}
	return append(b, attribute(attributeCgroupID, binary.NativeEndian.AppendUint64(nil, s.CgroupID))...)
}

func attribute(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	return append(b, make([]byte, -len(data)&3)...)
}

func socket(p Protocol, f Family, state State, local, remote string) Socket {
	return Socket{Protocol: p, Family: f, State: state,
		Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
}

var seeds = []Socket{
	socket(TCP, IPv4, Listen, "0.0.0.0:22", "0.0.0.0:0"),
	{Protocol: TCP, Family: IPv6, State: Listen, V6Only: true, CgroupID: 77,
		Local: netip.MustParseAddrPort("[::]:22"), Remote: netip.MustParseAddrPort("[::]:0")},
	{Protocol: TCP, Family: IPv6, State: Established, UID: 1000, Inode: 4026, Cookie: 1<<40 | 3, Device: 2,
		Local: netip.MustParseAddrPort("192.0.2.1:22"), Remote: netip.MustParseAddrPort("203.0.113.7:40312")},
	socket(UDP, IPv6, Close, "[fe80::1]:546", "[::]:0"),
}

func TestDecodeReadsWhatTheKernelWrites(t *testing.T) {
	for _, want := range seeds {
		got, err := decode(wire(want), want.Protocol)
		if err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if got != want {
			t.Errorf("decoded %+v, want %+v", got, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := wire(seeds[0])
	change := func(offset int, value byte) []byte {
		b := bytes.Clone(whole)
		b[offset] = value
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                   nil,
		"a message cut short":       whole[:messageSize-1],
		"an unknown family":         change(0, 16),
		"state 0":                   change(1, 0),
		"a state past the last":     change(1, byte(Closing)+1),
		"an attribute cut short":    whole[:len(whole)-1],
		"a stray byte":              append(bytes.Clone(whole), 0),
		"a cgroup id of four bytes": append(bytes.Clone(whole), attribute(attributeCgroupID, make([]byte, 4))...),
		"an empty v6only":           append(bytes.Clone(whole), attribute(attributeV6Only, nil)...),
	} {
		if s, err := decode(b, TCP); err == nil {
			t.Errorf("%s: decoded as %s", name, s)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add(wire(s), s.Protocol == TCP)
	}
	f.Fuzz(func(t *testing.T, b []byte, tcp bool) {
		p := UDP
		if tcp {
			p = TCP
		}
		s, err := decode(b, p)
		if err != nil {
			return
		}
		if s.String() == "" || s.Local.Addr().Is4In6() || s.Remote.Addr().Is4In6() {
			t.Errorf("%s: an address is left mapped", s)
		}
		// Whatever was decoded can be named to the kernel again.
		id, request := b[messageID:messageID+48], socketRequest(s)[requestID:]
		same := bytes.Equal(id[:idLocal], request[:idLocal]) && bytes.Equal(id[idDevice:], request[idDevice:])
		if size := s.Local.Addr().BitLen() / 8; s.Family == IPv4 {
			same = same && bytes.Equal(id[idLocal:idLocal+size], request[idLocal:idLocal+size]) &&
				bytes.Equal(id[idRemote:idRemote+size], request[idRemote:idRemote+size])
		} else {
			same = same && bytes.Equal(id[idLocal:idDevice], request[idLocal:idDevice])
		}
		if !same {
			t.Errorf("%s is named as\n%x, want\n%x", s, request, id)
		}
		again, err := decode(wire(s), p)
		if err != nil || again != s {
			t.Errorf("written and read again: %+v, %v; want %+v", again, err, s)
		}
	})
}
