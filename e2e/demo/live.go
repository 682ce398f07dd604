package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
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

// live keeps traffic going while `pfw monitor` shows it, until Enter, Ctrl-C or
// the end of pfwd.
func (s *stage) live(ctx context.Context, d demo) (err error) {
	s.heading("pfw monitor --all")
	s.invite(d.pfw, s.daemon, s.net)
	stop, err := s.monitor(d.pfw)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	pressed, err := d.enter()
	if err != nil {
		return err
	}
	// Those that go from a fixed port are one flow for a while, and no news.
	news := slices.DeleteFunc(slices.Clone(d.probes), func(p probe) bool { return p.sourcePort != 0 })
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
		p := news[rand.IntN(len(news))]
		// The person may have edited the rules: nothing is expected here.
		if _, err := s.net.send(p, s.port(), short); err != nil {
			return fmt.Errorf("%s, %s: %w", p.scene(), p.title, err)
		}
	}
}

// monitor shows what `pfw monitor` prints until it is stopped.
func (s *stage) monitor(pfw string) (stop func() error, err error) {
	cmd := s.daemon.Host.Command(pfw, "--socket", s.daemon.Socket, "monitor", "--all")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("read pfw monitor: %w", err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start pfw monitor: %w", err)
	}
	shown := make(chan error)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			s.event(lines.Text())
		}
		shown <- lines.Err()
	}()
	return func() error {
		// Like Ctrl-C, at which it ends with status 0, or by the signal where it has
		// only just begun.
		sent := cmd.Process.Signal(os.Interrupt)
		err := errors.Join(<-shown, cmd.Wait())
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() == syscall.SIGINT {
			return nil
		}
		if err = errors.Join(sent, err); err != nil {
			return fmt.Errorf("stop pfw monitor: %w\n%s", err, &stderr)
		}
		return nil
	}, nil
}
