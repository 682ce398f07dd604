package nflog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// ErrGroupTaken tells that another program, or another Reader, listens on the group: the kernel serves one per group and
// network namespace.
var ErrGroupTaken = errors.New("another listener has the group")

// readBuffer holds some 100,000 messages, a third of a second at the highest rate the reader has been seen to keep up with.
const readBuffer = 32 << 20

// wholeBuffer holds some thousand whole packets.
const wholeBuffer = 4 << 20

// Reader reads the messages of one nflog group. Its methods may be called from any goroutine, Run once.
type Reader struct {
	group      uint16
	socket     *socket
	interfaces interfaces
	prefixes   prefixes
	next       uint32 // sequence number of the next message

	received, lost atomic.Uint64
}

// Open binds the group in the current network namespace. When it returns, every packet that is logged from then on will be
// handed to Run's function, or counted by Lost. It needs CAP_NET_ADMIN (the error is EPERM without), and the group for itself
// alone (ErrGroupTaken). End it with Run's context or with Close.
func Open(group uint16, log *slog.Logger) (*Reader, error) {
	return open(group, headers, readBuffer, log)
}

// OpenWhole is Open for packets that are wanted whole, up to 16 KiB, and at once. RunWhole reads them.
func OpenWhole(group uint16, log *slog.Logger) (*Reader, error) {
	return open(group, whole, wholeBuffer, log)
}

func open(group uint16, serve service, readBuffer int, log *slog.Logger) (*Reader, error) {
	s, err := openSocket(group, serve, readBuffer, log)
	if err != nil {
		return nil, fmt.Errorf("nflog group %d: %w", group, err)
	}
	return &Reader{group: group, socket: s, interfaces: interfaces{lookup: s.interfaceName}}, nil
}

// Run calls f for each message, one after the other, until ctx ends; then it unbinds the group and returns nil, with no call of
// f under way. While f works, messages wait in the kernel, and are lost when there are too many. An error means that the socket
// can be read no longer. f must not call Close.
func (r *Reader) Run(ctx context.Context, f func(*Message)) error {
	if err := r.socket.run(ctx, func(record *record) { r.deliver(record, f) }); err != nil {
		return fmt.Errorf("nflog group %d: %w", r.group, err)
	}
	return nil
}

// RunWhole is Run for packets alone, each from its IP header on: f must not keep it.
func (r *Reader) RunWhole(ctx context.Context, f func(packet []byte)) error {
	err := r.socket.run(ctx, func(record *record) {
		r.numbered(record)
		f(record.packet)
	})
	if err != nil {
		return fmt.Errorf("nflog group %d: %w", r.group, err)
	}
	return nil
}

// Close ends Run, which returns nil, and unbinds the group. It may be called more than once, and without Run.
func (r *Reader) Close() error {
	if err := r.socket.close(); err != nil {
		return fmt.Errorf("nflog group %d: %w", r.group, err)
	}
	return nil
}

// Alive returns nil as soon as the reading goroutine shows that it goes round, with packets or without: within milliseconds,
// unless Run's function takes longer. The error says that it did not until ctx ended.
func (r *Reader) Alive(ctx context.Context) error {
	if err := r.socket.alive(ctx); err != nil {
		return fmt.Errorf("nflog group %d: %w", r.group, err)
	}
	return nil
}

// Received is the number of messages handed to Run's function.
func (r *Reader) Received() uint64 { return r.received.Load() }

// Lost is the number of messages that the kernel numbered and that did not arrive. A loss is seen when the next message
// arrives: so the last ones are missing from it.
func (r *Reader) Lost() uint64 { return r.lost.Load() }

// Overruns is how many times the kernel said that it had no room for messages (ENOBUFS); each may stand for many.
func (r *Reader) Overruns() uint64 { return r.socket.overruns.Load() }

// numbered counts a message, and those that are missing before it.
func (r *Reader) numbered(record *record) {
	if s := record.sequence; s.known {
		r.lost.Add(uint64(s.number - r.next)) // in 32 bits: the kernel's number begins with 0 at Open, and wraps
		r.next = s.number + 1
	}
	r.received.Add(1)
}

func (r *Reader) deliver(record *record, f func(*Message)) {
	r.numbered(record)
	now := time.Now()
	m := &Message{
		Prefix:    r.prefixes.text(record.prefix),
		Hook:      record.hook,
		InIface:   r.interfaces.name(record.in, now),
		OutIface:  r.interfaces.name(record.out, now),
		OutIndex:  record.out,
		UID:       record.uid.id,
		UIDKnown:  record.uid.known,
		GID:       record.gid.id,
		GIDKnown:  record.gid.known,
		Timestamp: record.timestamp,
	}
	if m.Timestamp.IsZero() {
		m.Timestamp = now
	}
	m.PacketError = Decode(record.packet, &m.Packet)
	f(m)
}
