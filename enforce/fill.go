package enforce

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// fillBytes is how much of a long list goes into one transaction. The buffer is used again for the next.
const fillBytes = 4 << 20

// filler sends the elements of long lists. It writes the messages where they are sent from: a batch would hold a million
// elements three times.
type filler struct {
	table *Table
	ctx   context.Context
	verb  string
	kind  int // NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM
	set   string

	buffer []byte
	// message and list are where the last message and its list of elements begin, 0 where none is open.
	message, list int
	messages      uint32
	// whole says that all is to go in one transaction.
	whole bool
	sent  int // elements
}

func (t *Table) filler(ctx context.Context) *filler { return &filler{table: t, ctx: ctx} }

// fill puts the elements of a set into one that is in the kernel, in as many transactions as it takes.
func (f *filler) fill(s *set, kernelName string) error {
	f.begin("add", unix.NFT_MSG_NEWSETELEM, kernelName)
	if f.buffer == nil {
		f.buffer = make([]byte, 0, min(32*s.count, fillBytes)+2*maxElementBytes)
	}
	var failed error
	if s.share != nil {
		for v := range s.share.values() {
			if failed = f.add(v, false); failed != nil {
				return failed
			}
		}
		return f.commit()
	}
	for x := range s.spans {
		failed = f.add(x.first[:s.kind.bytes], false)
		if after, ok := next(x.last[:s.kind.bytes]); ok && s.kind.interval && failed == nil {
			failed = f.add(after, true)
		}
		if failed != nil {
			return failed
		}
	}
	return f.commit()
}

// begin starts the elements of another set.
func (f *filler) begin(verb string, kind int, set string) {
	f.close()
	f.verb, f.kind, f.set = verb, kind, set
}

// add writes one element; end marks the value that an interval ends before.
func (f *filler) add(key []byte, end bool) error {
	if f.list == 0 {
		f.open()
	}
	// What appendNest would write, without its calls: four attributes, of which the outer ones hold the inner.
	const header = unix.SizeofNlAttr
	// A value shorter than four bytes, as a port is, is followed by zeros up to them (netlink(7), NLA_ALIGN).
	padding := -len(key) & 3
	size := 3*header + len(key) + padding
	if end {
		size += header + 4
	}
	b := f.buffer
	b = appendHeader(b, size, unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED)
	if end {
		b = appendHeader(b, header+4, unix.NFTA_SET_ELEM_FLAGS)
		b = binary.BigEndian.AppendUint32(b, unix.NFT_SET_ELEM_INTERVAL_END)
	}
	b = appendHeader(b, 2*header+len(key)+padding, unix.NFTA_SET_ELEM_KEY|unix.NLA_F_NESTED)
	b = appendHeader(b, header+len(key), unix.NFTA_DATA_VALUE)
	b = append(b, key...)
	f.buffer = append(b, "\x00\x00\x00"[:padding]...)
	f.sent++
	if len(f.buffer)-f.list > maxElementBytes {
		f.close()
		if len(f.buffer) > f.table.socket.fillRoom() && !f.whole {
			return f.commit()
		}
	}
	return nil
}

func appendHeader(b []byte, size int, kind uint16) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	return binary.NativeEndian.AppendUint16(b, kind)
}

// header begins a message.
func (f *filler) header(kind int, flags netlink.HeaderFlags, family byte, resource byte) {
	f.buffer = appendMessage(f.buffer, kind, flags, firstSequence+f.messages, family, resource)
	f.messages++
}

// firstSequence numbers the messages of each transaction: the kernel names in an error the one that failed.
const firstSequence = 1

func (f *filler) open() {
	if len(f.buffer) == 0 {
		f.header(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	}
	flags := netlink.HeaderFlags(0)
	if f.kind == unix.NFT_MSG_NEWSETELEM {
		flags = netlink.Create
	}
	f.message = len(f.buffer)
	f.header(unix.NFNL_SUBSYS_NFTABLES<<8|f.kind, flags, unix.NFPROTO_INET, 0)
	f.buffer = appendText(f.buffer, unix.NFTA_SET_ELEM_LIST_TABLE, tableName)
	f.buffer = appendText(f.buffer, unix.NFTA_SET_ELEM_LIST_SET, f.set)
	f.list = len(f.buffer)
	f.buffer = appendHeader(f.buffer, 0, unix.NFTA_SET_ELEM_LIST_ELEMENTS|unix.NLA_F_NESTED)
}

// close ends the message that is open.
func (f *filler) close() {
	if f.list == 0 {
		return
	}
	binary.NativeEndian.PutUint16(f.buffer[f.list:], uint16(len(f.buffer)-f.list))
	binary.NativeEndian.PutUint32(f.buffer[f.message:], uint32(len(f.buffer)-f.message))
	f.message, f.list = 0, 0
}

// commit sends what is written as one transaction.
func (f *filler) commit() error {
	f.close()
	if len(f.buffer) == 0 {
		return nil
	}
	f.header(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	about := func(uint32) string { return fmt.Sprintf("%s elements of set %s", f.verb, f.set) }
	err := f.table.changeBy(func() error { return f.table.socket.commitBytes(f.ctx, f.buffer, firstSequence, about) })
	f.buffer, f.messages = f.buffer[:0], 0
	return err
}
