package enforce

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Netlink attributes, appended to a buffer: length and type in the machine's byte order, the value padded to four bytes
// (include/uapi/linux/netlink.h). The values of nf_tables are big-endian.

func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return pad(b)
}

func appendText(b []byte, kind uint16, value string) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)+1))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return pad(append(b, 0))
}

func appendNumber(b []byte, kind uint16, value uint32) []byte {
	b = binary.NativeEndian.AppendUint16(b, unix.SizeofNlAttr+4)
	b = binary.NativeEndian.AppendUint16(b, kind)
	return binary.BigEndian.AppendUint32(b, value)
}

func appendNumber64(b []byte, kind uint16, value uint64) []byte {
	return appendAttribute(b, kind, binary.BigEndian.AppendUint64(nil, value))
}

// appendNest appends an attribute that holds those which fill appends. It must stay below 64 KiB.
func appendNest(b []byte, kind uint16, fill func([]byte) []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = fill(b)
	binary.NativeEndian.PutUint16(b[at:], uint16(len(b)-at))
	binary.NativeEndian.PutUint16(b[at+2:], kind|unix.NLA_F_NESTED)
	return b
}

func pad(b []byte) []byte {
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
