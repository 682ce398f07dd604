package enforce

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// kind is what a set's elements are: how nft names the type and spells a value, and how the kernel is told.
type kind struct {
	prefix   string // of the names of sets of this kind
	typeText string
	datatype nftables.SetDatatype
	bytes    int
	// interval sets hold ranges; others single values, in a hash.
	interval bool
	// native values are in the machine's byte order, others big-endian. nft wants to know.
	native bool
	// typeof is the meta key whose type it is, where the type alone has no name in a script: 0 for others.
	typeof uint32
	spell  func(first, last []byte) string
}

var (
	ipv4Kind = kind{prefix: "addr4_", typeText: "type ipv4_addr", datatype: nftables.TypeIPAddr, bytes: 4, interval: true, spell: addressText}
	ipv6Kind = kind{prefix: "addr6_", typeText: "type ipv6_addr", datatype: nftables.TypeIP6Addr, bytes: 16, interval: true, spell: addressText}
	portKind = kind{prefix: "port_", typeText: "type inet_service", datatype: nftables.TypeInetService, bytes: 2, interval: true,
		spell: func(first, last []byte) string {
			return policy.PortRange{First: binary.BigEndian.Uint16(first), Last: binary.BigEndian.Uint16(last)}.String()
		}}
	protocolKind = kind{prefix: "proto_", typeText: "type inet_proto", datatype: nftables.TypeInetProto, bytes: 1,
		spell: func(v, _ []byte) string { return protocolText(policy.Protocol(v[0])) }}
	icmpKind = kind{prefix: "icmp_", typeText: "type icmp_type", datatype: nftables.TypeICMPType, bytes: 1,
		spell: func(v, _ []byte) string { return policy.ICMPTypeName(policy.ICMP, v[0]) }}
	icmpv6Kind = kind{prefix: "icmpv6_", typeText: "type icmpv6_type", datatype: nftables.TypeICMP6Type, bytes: 1,
		spell: func(v, _ []byte) string { return policy.ICMPTypeName(policy.ICMPv6, v[0]) }}
	userKind = kind{prefix: "uid_", typeText: "type uid", datatype: nftables.TypeUID, bytes: 4, native: true, spell: nativeText}
	// An interface's name, followed by zeros.
	nameKind = kind{prefix: "iface_", typeText: "type ifname", datatype: nftables.TypeIFName, bytes: unix.IFNAMSIZ, native: true,
		spell: func(v, _ []byte) string { return `"` + string(bytes.TrimRight(v, "\x00")) + `"` }}
	groupKind = kind{prefix: "gid_", typeText: "type gid", datatype: nftables.TypeGID, bytes: 4, native: true, spell: nativeText}
	// The type of meta time has no name of its own: "type time" is a length of time to nft.
	timeKind = kind{prefix: "time_", typeText: "typeof meta time", datatype: nftables.TypeTimeDate, bytes: 8, interval: true,
		native: true, typeof: uint32(metaTime), spell: timeText}
	fibKind = kind{typeText: "type fib_addrtype", datatype: nftables.TypeFIBAddr, bytes: 4, native: true,
		spell: func(v, _ []byte) string { return fmt.Sprint(binaryutil.NativeEndian.Uint32(v)) }}

	// The hashes of long lists: addresses, with their low bits zero.
	hash4Kind = kind{typeText: "type ipv4_addr", datatype: nftables.TypeIPAddr, bytes: 4, spell: addressText}
	hash6Kind = kind{typeText: "type ipv6_addr", datatype: nftables.TypeIP6Addr, bytes: 16, spell: addressText}

	// Addresses that names have.
	name4Kind = kind{typeText: "type ipv4_addr", datatype: nftables.TypeIPAddr, bytes: 4, spell: addressText}
	name6Kind = kind{typeText: "type ipv6_addr", datatype: nftables.TypeIP6Addr, bytes: 16, spell: addressText}

	// An IPv6 remote is banned by its /64: the key is the address with the rest zero.
	banned4Kind = kind{typeText: "type ipv4_addr", datatype: nftables.TypeIPAddr, bytes: 4}
	banned6Kind = kind{typeText: "type ipv6_addr", datatype: nftables.TypeIP6Addr, bytes: 16}
	// One element for all packets, whatever their mark.
	markKind = kind{typeText: "type mark", datatype: nftables.TypeMark, bytes: 4, native: true}
	// A remote behind the number of a rule.
	numbered4Kind = concatKind(nftables.TypeMark, nftables.TypeIPAddr)
	numbered6Kind = concatKind(nftables.TypeMark, nftables.TypeIP6Addr)
	tuple4Kind    = tupleKind(nftables.TypeIPAddr)
	tuple6Kind    = tupleKind(nftables.TypeIP6Addr)
)

func tupleKind(address nftables.SetDatatype) kind {
	return concatKind(nftables.TypeInetProto, address, nftables.TypeInetService, address, nftables.TypeInetService)
}

func concatKind(parts ...nftables.SetDatatype) kind {
	d := nftables.MustConcatSetType(parts...)
	return kind{typeText: "type " + d.Name, datatype: d, bytes: int(d.Bytes)}
}

func bannedKind(f policy.Family) *kind {
	if f == policy.IPv4 {
		return &banned4Kind
	}
	return &banned6Kind
}

func numberedKind(f policy.Family) *kind {
	if f == policy.IPv4 {
		return &numbered4Kind
	}
	return &numbered6Kind
}

// scanned4Kind and scanned6Kind are a remote's knocks: who, by which protocol and at which port.
var scanned4Kind, scanned6Kind = scannedKind(nftables.TypeIPAddr), scannedKind(nftables.TypeIP6Addr)

func scannedKind(address nftables.SetDatatype) kind {
	d := nftables.MustConcatSetType(address, nftables.TypeInetProto, nftables.TypeInetService)
	return kind{typeText: "type " + d.Name, datatype: d, bytes: int(d.Bytes)}
}

func scanKind(f policy.Family) *kind {
	if f == policy.IPv4 {
		return &scanned4Kind
	}
	return &scanned6Kind
}

func nativeBytes(v uint32) []byte { return binaryutil.NativeEndian.PutUint32(v) }

func nativeText(v, _ []byte) string { return fmt.Sprint(binaryutil.NativeEndian.Uint32(v)) }

// timeText spells a window in whole seconds since 1970, which nft reads whatever the time zone.
func timeText(first, last []byte) string {
	return fmt.Sprintf(`"%d"-"%d"`, binary.BigEndian.Uint64(first)/uint64(time.Second), binary.BigEndian.Uint64(last)/uint64(time.Second))
}

// text is the set as a block of a script.
func (s *set) text() string {
	var b strings.Builder
	if s.to != nil {
		fmt.Fprintf(&b, "\tmap %s {\n\t\t%s : verdict\n", s.name, s.kind.typeText)
	} else {
		fmt.Fprintf(&b, "\tset %s {\n\t\t%s\n", s.name, s.kind.typeText)
	}
	if s.size > 0 {
		fmt.Fprintf(&b, "\t\tsize %d\n", s.size)
	}
	switch {
	case s.untimed:
		b.WriteString("\t\tflags dynamic\n")
	case s.byRules:
		b.WriteString("\t\tflags dynamic,timeout\n")
	case s.dynamic:
		b.WriteString("\t\tflags timeout\n")
	case s.kind.interval:
		b.WriteString("\t\tflags interval\n")
	}
	separator, at := "\t\telements = { ", 0
	for e := range s.spans {
		b.WriteString(separator)
		b.WriteString(s.kind.spell(e.first[:s.kind.bytes], e.last[:s.kind.bytes]))
		if s.to != nil {
			b.WriteString(" : " + s.to[at].statement().text())
		}
		if s.left != nil {
			fmt.Fprintf(&b, " timeout %ds", int64(max(s.left(at), time.Second)/time.Second))
		}
		at++
		separator = ",\n\t\t\t     "
	}
	if s.count > 0 {
		b.WriteString(" }\n")
	}
	b.WriteString("\t}\n")
	return b.String()
}
