package nflog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	gonflog "github.com/florianl/go-nflog/v2"
	"golang.org/x/sys/unix"
)

// socket is a netlink socket bound to a group, and the goroutine of go-nflog that reads it. Nothing outside this file and
// config.go knows the library.
type socket struct {
	group uint16
	log   *slog.Logger
	lib   *gonflog.Nflog

	ctx    context.Context // of the goroutine
	cancel context.CancelFunc

	deliver  func(*record) // set before attached is closed
	attached chan struct{}
	ended    chan struct{} // closed when the goroutine hands over nothing more
	end      sync.Once
	err      error // why it ended by itself; read after ended

	closing sync.Once

	beats    atomic.Uint64 // how often the goroutine came round
	overruns atomic.Uint64
}

// The library wants the timeout in hundredths of a second. 64 messages or 10 ms, whichever comes first, share one datagram:
// whoever asks who sent a packet must ask while the sender is there.
const (
	copyRange      = 128 // bytes of each packet: IPv6, some extension headers, and the start of the quoted packet
	queueThreshold = 64
	queueTimeout   = 1
)

// openSocket binds the group. readBuffer is the socket's receive buffer in bytes.
func openSocket(group uint16, readBuffer int, log *slog.Logger) (*socket, error) {
	s := &socket{group: group, log: log, attached: make(chan struct{}), ended: make(chan struct{})}
	lib, err := gonflog.Open(&gonflog.Config{
		Group:    group,
		Copymode: gonflog.CopyPacket,
		Bufsize:  copyRange,
		Flags:    gonflog.FlagSeq,
		QThresh:  queueThreshold,
		Timeout:  queueTimeout,
		Logger:   libraryLog{s},
	})
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	s.lib = lib
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.bind(readBuffer); err != nil {
		s.cancel()
		return nil, errors.Join(err, lib.Con.Close())
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// bind sets up the group and starts the goroutine, with the socket still deaf to packets: go-nflog takes each answer to be the
// one to its request, and under a flood a packet would stand in its place.
func (s *socket) bind(readBuffer int) error {
	if err := s.setReadBuffer(readBuffer); err != nil {
		return err
	}
	if err := s.lib.Con.SetBPF(repliesOnly); err != nil {
		return fmt.Errorf("hold packets back: %w", err)
	}
	if err := s.lib.RegisterWithErrorFunc(s.ctx, s.packet, s.failed); err != nil {
		return s.diagnose(err)
	}
	return nil
}

// open lets the packets in. What was logged since the group was bound shows as a gap before the first message.
func (s *socket) open() error {
	// Execute would wait for the lock that the goroutine holds while it waits for packets. A refusal comes to failed.
	if _, err := s.lib.Con.Send(configMessage(s.group, netlinkBufferSize)); err != nil {
		return fmt.Errorf("set the kernel's buffer size: %w", err)
	}
	if err := s.lib.Con.RemoveBPF(); err != nil {
		return fmt.Errorf("let packets in: %w", err)
	}
	return nil
}

func (s *socket) setReadBuffer(size int) error {
	// The library tries SO_RCVBUFFORCE first, which needs CAP_NET_ADMIN in the initial user namespace.
	if err := s.lib.Con.SetReadBuffer(size); err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	doubled, err := s.lib.Con.ReadBuffer() // socket(7): the kernel doubles the value for its own bookkeeping
	if err != nil {
		return fmt.Errorf("read receive buffer: %w", err)
	}
	if got := doubled / 2; got < size {
		s.log.Warn("receive buffer is smaller than wanted, a burst of log messages may be lost; see sysctl net.core.rmem_max",
			"group", s.group, "bytes", got, "wanted", size)
	}
	return nil
}

// run hands over every message until ctx ends or the socket fails, and closes the socket. Once only.
func (s *socket) run(ctx context.Context, deliver func(*record)) error {
	s.deliver = deliver
	close(s.attached)
	select {
	case <-ctx.Done():
	case <-s.ended:
	}
	err := s.close() // first, as it waits until s.err is final
	return errors.Join(s.err, err)
}

// close unbinds the group, and returns when the goroutine hands over nothing more.
func (s *socket) close() (err error) {
	s.closing.Do(func() {
		s.cancel()
		<-s.ended
		err = s.lib.Close()
	})
	return err
}

func (s *socket) finish(err error) {
	s.end.Do(func() {
		s.err = err
		close(s.ended)
	})
}

// packet is called by the goroutine for each message. Before run it waits: messages then stay in the receive buffer.
func (s *socket) packet(a gonflog.Attribute) int {
	select {
	case <-s.attached:
	case <-s.ctx.Done():
		s.finish(nil)
		return 1
	}
	r := record{
		prefix: value(a.Prefix),
		in:     value(a.InDev),
		out:    value(a.OutDev),
		uid:    owner{value(a.UID), a.UID != nil},
		gid:    owner{value(a.GID), a.GID != nil},

		timestamp: value(a.Timestamp),
		sequence:  sequence{value(a.Seq), a.Seq != nil},
		packet:    value(a.Payload),
	}
	if a.Hook != nil {
		r.hook = hookOf(*a.Hook)
	}
	s.deliver(&r)
	s.beats.Add(1)
	return 0
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// failed is called by the goroutine when it could not receive; 0 lets it go on.
func (s *socket) failed(err error) int {
	switch {
	case s.ctx.Err() != nil:
		s.finish(nil)
		return 1
	case errors.Is(err, unix.ENOBUFS): // messages were lost, the socket is as good as before
		s.overruns.Add(1)
		s.beats.Add(1)
		return 0
	}
	if errno, ok := refusal(err); ok {
		if errno == unix.EBUSY { // the answer that alive waits for
			s.beats.Add(1)
		} else {
			s.log.Warn("the kernel refused a request", "group", s.group, "error", err)
		}
		return 0
	}
	s.finish(fmt.Errorf("receive: %w", err))
	return 1
}

// alive asks the kernel to bind the group once more. It refuses with EBUSY if the group is still ours, and the goroutine
// is to read that, as it reads packets: so an idle one shows that it lives.
func (s *socket) alive(ctx context.Context) error {
	before := s.beats.Load()
	if _, err := s.lib.Con.Send(configMessage(s.group, bindCommand)); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for s.beats.Load() == before {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no answer from the reader: %w", ctx.Err())
		}
	}
	return nil
}

// interfaceName asks in the network namespace that the socket was opened in.
func (s *socket) interfaceName(index uint32) (string, error) {
	request, err := unix.NewIfreq("")
	if err != nil {
		return "", err
	}
	request.SetUint32(index)
	raw, err := s.lib.Con.SyscallConn()
	if err != nil {
		return "", err
	}
	var failure error
	if err := raw.Control(func(fd uintptr) { failure = unix.IoctlIfreq(int(fd), unix.SIOCGIFNAME, request) }); err != nil {
		return "", err
	}
	return request.Name(), failure
}

// libraryLog is told by go-nflog, and it alone, that the goroutine ends because its context did: the only errors it logs.
type libraryLog struct{ s *socket }

func (l libraryLog) Debugf(format string, args ...any) {
	// It may have something to say about every single packet.
	if l.s.log.Enabled(l.s.ctx, slog.LevelDebug) {
		l.s.log.Debug(fmt.Sprintf(format, args...), "group", l.s.group)
	}
}

func (l libraryLog) Errorf(format string, args ...any) {
	l.s.finish(nil)
	l.Debugf(format, args...)
}
