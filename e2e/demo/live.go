package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// enter waits for a line, or the end, of a terminal; what was typed before does
// not count. A read from a terminal cannot be called off, so its goroutine ends
// with the process.
func enter(terminal *os.File) (<-chan struct{}, error) {
	if err := unix.IoctlSetInt(int(terminal.Fd()), unix.TCFLSH, unix.TCIFLUSH); err != nil {
		return nil, fmt.Errorf("flush terminal: %w", err)
	}
	pressed := make(chan struct{})
	go func() {
		defer close(pressed)
		// Enter, end of file or an error: the person is done in each case.
		_, _ = bufio.NewReader(terminal).ReadString('\n')
	}()
	return pressed, nil
}

// live keeps traffic going and shows the log as it grows, until Enter, Ctrl-C or
// the end of pfwd.
func (s *stage) live(ctx context.Context, d demo) error {
	log, err := s.daemon.Tail()
	if err != nil {
		return err
	}
	s.heading("Live")
	s.invite(d.pfw, s.daemon, s.net)
	pressed, err := d.enter()
	if err != nil {
		return err
	}
	tick := time.NewTicker(700 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // Ctrl-C is one of the two ways to be done here
		case <-pressed:
			return nil
		case <-s.daemon.Exited():
			// Stop has how, and what pfwd wrote.
			return errors.Join(errors.New("pfwd ended by itself"), s.daemon.Stop())
		case <-tick.C:
		}
		p := d.probes[rand.IntN(len(d.probes))]
		// The person may have edited the rules: nothing is expected here.
		if _, err := s.net.send(p, s.port(), short); err != nil {
			return fmt.Errorf("%s, %s: %w", p.scene(), p.title, err)
		}
		entries, err := log.Next()
		if err != nil {
			return err
		}
		for _, e := range entries {
			s.event(e)
		}
	}
}
