package hosts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Stream is an open TCP connection on which numbers go out all the time and come
// back, to see whether the connection lives.
type Stream struct {
	client, server net.Conn
	sent, echoed   atomic.Uint64
	done           sync.WaitGroup
	end            chan struct{}

	mu  sync.Mutex
	err error
}

// OpenStream connects one host to an address of another and starts the numbers.
// The caller closes the stream.
func OpenStream(from, to *Host, address string) (*Stream, error) {
	listener, err := to.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	s := &Stream{end: make(chan struct{})}
	s.client, err = from.Dial("tcp", listener.Addr().String(), 10*time.Second)
	if err == nil {
		s.server, err = listener.Accept()
	}
	if err = errors.Join(err, listener.Close()); err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	s.done.Go(func() { s.fail("echo", s.echo()) })
	s.done.Go(func() { s.fail("send", s.send()) })
	s.done.Go(func() { s.fail("receive", s.receive()) })
	return s, nil
}

func (s *Stream) echo() error {
	_, err := io.Copy(s.server, s.server)
	return err
}

func (s *Stream) send() error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for n := uint64(0); ; n++ {
		s.sent.Store(n + 1)
		if err := binary.Write(s.client, binary.BigEndian, n); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-s.end:
			return nil
		}
	}
}

func (s *Stream) receive() error {
	for want := uint64(0); ; want++ {
		var got uint64
		if err := binary.Read(s.client, binary.BigEndian, &got); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("got number %d after %d", got, want-1)
		}
		s.echoed.Add(1)
	}
}

// fail keeps the first error that Close did not cause.
func (s *Stream) fail(what string, err error) {
	select {
	case <-s.end:
		return
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && err != nil {
		s.err = fmt.Errorf("stream broke: %s: %w", what, err)
	}
}

// Alive waits until numbers that were sent after the call have come back. An
// error tells how the stream broke, or that nothing came within the limit.
func (s *Stream) Alive(limit time.Duration) error {
	want := s.sent.Load() + 1
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		err := s.err
		s.mu.Unlock()
		switch {
		case err != nil:
			return err
		case s.echoed.Load() >= want:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("stream: %d of %d numbers came back within %s", s.echoed.Load(), want, limit)
		}
	}
}

// Close ends the stream.
func (s *Stream) Close() error {
	close(s.end)
	err := errors.Join(s.client.Close(), s.server.Close())
	s.done.Wait()
	return err
}
