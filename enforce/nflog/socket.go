package nflog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/florianl/go-nflog/v2"
	"golang.org/x/sys/unix"
)

// socket is a netlink socket that a group is bound to. go-nflog opens and holds it; it is bound and read here by whoever calls run,
// with one buffer and no allocation, where the library's own reader makes some thirty for each message.
type socket struct {
	group uint16
	log   *slog.Logger
	nf    *nflog.Nflog
	conn  syscall.RawConn // of nf

	closing sync.Once
	ended   atomic.Bool
	closed  error      // of closing
	reading sync.Mutex // held by run

	beats    atomic.Uint64 // how often run came round
	overruns atomic.Uint64
}

// openSocket binds the group. readBuffer is the socket's receive buffer in bytes.
func openSocket(group uint16, serve service, readBuffer int, log *slog.Logger) (*socket, error) {
	nf, err := nflog.Open(&nflog.Config{Group: group})
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	s := &socket{group: group, log: log, nf: nf}
	if s.conn, err = nf.Con.SyscallConn(); err == nil {
		err = s.control(func(fd int) error { return s.setUp(fd, serve, readBuffer) })
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// setUp binds the group with the socket still deaf to packets, so that under a flood none stands where an answer is expected.
// What is logged meanwhile shows as a gap before the first message.
func (s *socket) setUp(fd int, serve service, readBuffer int) error {
	if err := s.setReadBuffer(fd, readBuffer); err != nil {
		return err
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, repliesOnly()); err != nil {
		return fmt.Errorf("hold packets back: %w", err)
	}
	// The kernel says EPERM to whoever lacks CAP_NET_ADMIN and to whoever asks for another's group. The first of these
	// requests is nobody's in particular, so it tells the cases apart.
	if err := s.ask(fd, 0, bindFamily); errors.Is(err, unix.EPERM) {
		return fmt.Errorf("not permitted, CAP_NET_ADMIN is needed: %w", err)
	} else if err != nil {
		return fmt.Errorf("bind to nflog: %w", err)
	}
	if err := s.ask(fd, s.group, serve.attributes()...); errors.Is(err, unix.EPERM) {
		return ErrGroupTaken
	} else if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
		return fmt.Errorf("let packets in: %w", err)
	}
	return nil
}

// ask sends a request and returns the kernel's answer, which is there when the request is sent.
func (s *socket) ask(fd int, group uint16, attributes ...attribute) error {
	if err := send(fd, request(group, unix.NLM_F_REQUEST|unix.NLM_F_ACK, attributes)); err != nil {
		return err
	}
	buffer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, buffer, 0)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	for kind, body := range messages(buffer[:n]) {
		if errno, ok := answer(kind, body); ok {
			if errno == 0 {
				return nil
			}
			return errno
		}
	}
	return errors.New("read answer: there is none")
}

// control does something with the socket that does not wait for it.
func (s *socket) control(do func(fd int) error) error {
	var failure error
	err := s.conn.Control(func(fd uintptr) { failure = do(int(fd)) })
	return errors.Join(err, failure)
}

func send(fd int, message []byte) error {
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	return nil
}

func (s *socket) setReadBuffer(fd, size int) error {
	// SO_RCVBUFFORCE needs CAP_NET_ADMIN in the initial user namespace.
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size)
	if errors.Is(err, unix.EPERM) {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
	if err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	doubled, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF) // socket(7): the kernel doubles the value for its own bookkeeping
	if err != nil {
		return fmt.Errorf("read receive buffer: %w", err)
	}
	if got := doubled / 2; got < size {
		s.log.Warn("receive buffer is smaller than wanted, a burst of log messages may be lost; see sysctl net.core.rmem_max",
			"group", s.group, "bytes", got, "wanted", size)
	}
	return nil
}

// run hands over every message until ctx ends, the socket is closed or it fails, and closes the socket. Once only.
func (s *socket) run(ctx context.Context, deliver func(*record)) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	buffer := make([]byte, datagramSize)
	for !s.ended.Load() {
		n, err := s.receive(buffer)
		switch {
		case err == nil:
			s.datagram(buffer[:n], deliver)
		case errors.Is(err, unix.ENOBUFS): // messages were lost, the socket is as good as before
			s.overruns.Add(1)
		case !s.ended.Load():
			s.end()
			return errors.Join(fmt.Errorf("receive: %w", err), s.closed)
		}
		s.beats.Add(1)
	}
	s.end() // waits until it is done
	return s.closed
}

// receive waits for the next datagram.
func (s *socket) receive(buffer []byte) (n int, err error) {
	waiting := s.conn.Read(func(fd uintptr) bool {
		for {
			n, err = unix.Read(int(fd), buffer)
			if !errors.Is(err, unix.EINTR) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	if waiting != nil {
		return 0, waiting
	}
	return n, err
}

// end unbinds the group; run hands over what it has read already.
func (s *socket) end() {
	s.closing.Do(func() {
		s.ended.Store(true)
		s.closed = s.nf.Close()
	})
}

// close is end, and returns when run hands over nothing more.
func (s *socket) close() error {
	s.end()
	s.reading.Lock()
	defer s.reading.Unlock()
	return s.closed
}

// alive asks the kernel to bind the group once more. It refuses with EBUSY if the group is still ours, and run is to read that,
// as it reads packets: so an idle one shows that it lives.
func (s *socket) alive(ctx context.Context) error {
	before := s.beats.Load()
	if err := s.control(func(fd int) error { return send(fd, request(s.group, unix.NLM_F_REQUEST, []attribute{bindGroup})) }); err != nil {
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
	if err := s.control(func(fd int) error { return unix.IoctlIfreq(fd, unix.SIOCGIFNAME, request) }); err != nil {
		return "", err
	}
	return request.Name(), nil
}
