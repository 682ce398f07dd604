package enforce

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// socket is the one lasting connection to nf_tables. The kernel ties the ownership of the table to it. It is used by one
// goroutine at a time.
type socket struct {
	lib *nftables.Conn // reads what it reads well
	nl  *netlink.Conn  // the same connection
	// room is how many bytes one batch may have.
	room int
	// buffer is for what is read in pieces, request for what asks for it.
	buffer, request []byte
	// sequence is the number of the last request. The netlink package's numbers begin at random and rise; an answer to one of
	// its requests has been taken by the time of the next.
	sequence uint32
}

// Buffers for the largest batches. The kernel takes a batch in one piece, and answers with a message for each error.
const writeBuffer, readBuffer = 64 << 20, 8 << 20

func dial() (*socket, error) {
	var s socket
	lib, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(nl *netlink.Conn) error {
		s.nl = nl
		// Beyond the system's limit only with CAP_NET_ADMIN outside any user namespace; without, the limit is what we get.
		if err := errors.Join(nl.SetWriteBuffer(writeBuffer), nl.SetReadBuffer(readBuffer)); err != nil {
			return fmt.Errorf("size buffers: %w", err)
		}
		// With the kernel's own words for an error. Kernels before 4.12 have none.
		if err := nl.SetOption(netlink.ExtendedAcknowledge, true); err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
			return fmt.Errorf("ask for error texts: %w", err)
		}
		got, err := nl.WriteBuffer()
		// The kernel doubles what it is asked for, to have room for its own; half of what it tells is safe to fill.
		s.room = got / 2
		return err
	}))
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", err)
	}
	s.lib = lib
	return &s, nil
}

func (s *socket) close() error { return s.lib.CloseLasting() }

// generation is the kernel's number of the ruleset: it rises by one with every transaction, of any table.
func (s *socket) generation() (uint32, error) {
	g, err := s.lib.GetGen()
	if err != nil {
		return 0, fmt.Errorf("read generation: %w", err)
	}
	return g.ID, nil
}

// errUnknownOutcome says that the kernel's answers were lost: the batch may be in force.
var errUnknownOutcome = errors.New("the kernel's answer was lost")

// commit sends the batch as one transaction. On an error nothing has changed, unless it is errUnknownOutcome.
func (s *socket) commit(ctx context.Context, b *batch) error {
	b.header(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	err := s.commitBytes(ctx, b.buffer, firstSequence, b.about)
	tooLong := errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) && len(b.buffer) > s.room
	if tooLong && !errors.Is(err, errUnknownOutcome) {
		return fmt.Errorf("send %d bytes in one transaction, where the socket takes %d (CAP_NET_ADMIN outside user namespaces lifts the limit): %w",
			len(b.buffer), s.room, err)
	}
	return err
}

// commitBytes sends a transaction that is written out already, the first message of which has the sequence number first.
func (s *socket) commitBytes(ctx context.Context, batch []byte, first uint32, about func(distance uint32) string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	raw, err := s.nl.SyscallConn()
	if err != nil {
		return fmt.Errorf("send transaction: %w", err)
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return !errors.Is(failed, unix.EAGAIN) && !errors.Is(failed, unix.EINTR)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("send transaction: %w", err)
	}
	return s.answers(first, about)
}

// answers reads what the kernel had to say. It has answered in full when the send returns: there is an error message for
// each change that failed, and nothing where all went well.
func (s *socket) answers(sequence uint32, about func(distance uint32) string) error {
	var first error
	for {
		ready, err := s.readable()
		if err != nil {
			return fmt.Errorf("%w: %w", errUnknownOutcome, err)
		}
		if !ready {
			return first
		}
		_, err = s.nl.Receive()
		if err == nil || first != nil && !errors.Is(first, errUnknownOutcome) {
			continue
		}
		var op *netlink.OpError
		switch {
		case errors.Is(err, unix.ENOBUFS) && !(errors.As(err, &op) && op.Sequence != 0):
			first = fmt.Errorf("%w: %w", errUnknownOutcome, err)
		case errors.As(err, &op) && op.Sequence != 0:
			first = fmt.Errorf("%s: %w", about(op.Sequence-sequence), op)
		default:
			return fmt.Errorf("%w: %w", errUnknownOutcome, err)
		}
	}
}

// about names the message that stands so many after the beginning of the batch.
func (b *batch) about(distance uint32) string {
	if distance >= 1 && int(distance) <= len(b.messages) {
		return b.messages[distance-1].String()
	}
	return "transaction"
}

// readable tells whether an answer waits.
func (s *socket) readable() (bool, error) {
	raw, err := s.nl.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	var polled error
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if n, polled = unix.Poll(fds, 0); polled != unix.EINTR {
				return
			}
		}
	})
	return n > 0, errors.Join(err, polled)
}
