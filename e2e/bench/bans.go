package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pfw/daemon/api"
)

// banRules let the service in, and ban who opens more than fifty connections a second.
const banRules = `
[log]
unmatched = false
journal = false
[[rule]]
name = "service"
action = "allow"
direction = "in"
protocol = "udp"
port = 40001
ban = { over = "50/second", for = "10m" }
[[rule]]
name = "open"
action = "allow"
direction = "in"
protocol = "udp"
port = 40000
`

// bans measures how long a ban takes: by a rule, in packets that still come in after the one that is too many, and by hand, in
// the time from the call until the last packet that comes in.
func (b *bench) bans() (err error) {
	s, err := newStage()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.stamped(); err != nil {
		return err
	}
	e, _, err := startPfw(b.bin, s, banRules, &plan{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	d := e.(daemon)
	t := &table{title: "Bans, under a flood of packets that each open a connection"}
	t.row("", "median", "worst", "times")
	if err := b.banByRule(t, s); err != nil {
		return err
	}
	client := api.NewClient(filepath.Join(d.Dir, "run", "control.sock"))
	err = b.banByHand(t, s, "by hand, from the call of the API to the last packet that came in", func(address netip.Addr) error {
		_, err := client.Ban(context.Background(), api.BanRequest{Address: address.String(), For: time.Minute})
		return err
	})
	if err == nil {
		err = b.banByHand(t, s, "by hand, from the start of pfw ban", func(address netip.Addr) error {
			_, err := d.Pfw("ban", address.String())
			return err
		})
	}
	if err == nil {
		err = b.banByHand(t, s, "a network by hand, from the call of the API", func(address netip.Addr) error {
			network := netip.PrefixFrom(address, 31).Masked().String()
			_, err := client.Ban(context.Background(), api.BanRequest{Address: network, For: time.Minute})
			return err
		})
	}
	t.print(b.out)
	return err
}

// banByRule floods from one address after the other.
func (b *bench) banByRule(t *table, s *stage) error {
	const flood, allowed = 4096, 50
	var after []int64
	for i := range 4 * b.n {
		st := stream{sources: []uint32{0xc6336400 + uint32(i)}, to: netip.AddrPortFrom(wallAddress, servicePort)}
		if _, err := s.sender.send(st, time.Hour, flood); err != nil {
			return err
		}
		came, err := s.came(servicePort)
		if err != nil {
			return err
		}
		after = append(after, int64(len(came)-allowed))
	}
	t.row(fmt.Sprintf("by a rule, packets that came in after the %dst of %d", allowed+1, flood), fmt.Sprint(median(after)), fmt.Sprint(most(after)), fmt.Sprint(len(after)))
	return nil
}

// banByHand bans who floods.
func (b *bench) banByHand(t *table, s *stage, what string, ban func(address netip.Addr) error) error {
	var took []time.Duration
	for i := range 4 * b.n {
		source := netip.AddrFrom4([4]byte{203, 0, 112 + byte(len(t.rows)), byte(2 * i)})
		stop, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- s.flood(source, closedPort, stop) }()
		time.Sleep(30 * time.Millisecond)
		began := time.Now()
		err := ban(source)
		time.Sleep(30 * time.Millisecond)
		close(stop)
		if err = errors.Join(err, <-ended); err != nil {
			return err
		}
		came, err := s.came(closedPort)
		if err != nil {
			return err
		}
		if len(came) == 0 {
			return fmt.Errorf("%s: no packet came in", what)
		}
		took = append(took, max(0, came[len(came)-1].Sub(began)))
	}
	t.row(what, seconds(median(took)), seconds(most(took)), fmt.Sprint(len(took)))
	return nil
}

func most[T int64 | time.Duration](all []T) T {
	out := all[0]
	for _, v := range all {
		out = max(out, v)
	}
	return out
}

// flood sends about a hundred thousand packets a second, each of a flow of its own.
func (s *stage) flood(source netip.Addr, port uint16, stop <-chan struct{}) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	four := source.As4()
	st := stream{sources: []uint32{binary.BigEndian.Uint32(four[:])}, to: netip.AddrPortFrom(wallAddress, port)}
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if _, err := s.sender.send(st, time.Hour, 1); err != nil {
			return err
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// stamped has the kernel write down when packets came in, and gives room for all of them.
func (s *stage) stamped() error {
	for _, sink := range s.sinks {
		raw, err := sink.(syscall.Conn).SyscallConn()
		if err == nil {
			err = errors.Join(raw.Control(func(fd uintptr) {
				err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
			}), err)
		}
		if err != nil {
			return fmt.Errorf("have packets stamped: %w", err)
		}
	}
	return nil
}

// came takes all that has come in at a port, and tells when it did.
func (s *stage) came(port uint16) (at []time.Time, err error) {
	raw, err := s.sinks[port].(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var received error
	err = raw.Control(func(fd uintptr) {
		data, control := make([]byte, 64), make([]byte, 128)
		for {
			_, n, _, _, err := unix.Recvmsg(int(fd), data, control, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) {
				return
			}
			if err != nil {
				received = err
				return
			}
			messages, err := unix.ParseSocketControlMessage(control[:n])
			if err != nil || len(messages) != 1 || len(messages[0].Data) < 16 {
				received = errors.Join(errors.New("a packet is not stamped"), err)
				return
			}
			stamp := messages[0].Data
			at = append(at, time.Unix(int64(binary.NativeEndian.Uint64(stamp)), int64(binary.NativeEndian.Uint64(stamp[8:]))))
		}
	})
	return at, errors.Join(err, received)
}
