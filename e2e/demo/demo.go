package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pfw/e2e/hosts"
)

// demo is what to show, and to whom.
type demo struct {
	pfwd, pfw string // the programs
	config    string // the rule file, with its lists beside it
	probes    []probe
	screen    *screen

	// enter starts to wait for Enter and returns what is closed then; nil where
	// nobody is there to press it.
	enter func() (<-chan struct{}, error)
}

// stage is a demo while it runs.
type stage struct {
	*screen
	net    *network
	daemon *hosts.Daemon
	source uint16 // port of the next attempt
}

// firstPort is the source port of the first attempt; each has its own, so that
// its entry in the log is known by it.
const firstPort = 40001

// port hands out source ports.
func (s *stage) port() uint16 {
	s.source = max(s.source+1, firstPort)
	return s.source
}

// run runs the whole demo; an error is anything that was not as it should be.
// Nothing of it is left afterwards, however it ends.
func (d demo) run(ctx context.Context) (err error) {
	text, err := os.ReadFile(d.config)
	if err != nil {
		return fmt.Errorf("read rule file: %w", err)
	}
	for _, program := range []*string{&d.pfwd, &d.pfw} {
		if *program, err = filepath.Abs(*program); err != nil {
			return fmt.Errorf("find programs: %w", err)
		}
		if _, err := os.Stat(*program); err != nil {
			return fmt.Errorf("find programs (make build makes them): %w", err)
		}
	}
	s := &stage{screen: d.screen}
	if s.net, err = newNetwork(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.net.close()) }()
	s.daemon, err = hosts.NewDaemon(s.net.laptop, d.pfwd, d.pfw, logAllowed(string(text)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.daemon.Close()) }()
	if err := copyLists(d.config, s.daemon.Config); err != nil {
		return err
	}
	s.introduce(d.config)
	if err := s.daemon.Start(); err != nil {
		return err
	}
	wrong, err := s.attempts(ctx, d.probes)
	if err != nil {
		return err
	}
	if d.enter != nil {
		if err := s.live(ctx, d); err != nil {
			return err
		}
	}
	if err := s.summary(); err != nil {
		return err
	}
	if err := s.daemon.Stop(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d connections did not turn out as expected", wrong, len(d.probes))
	}
	s.text("")
	s.text(s.paint(green, fmt.Sprintf("All %d connections turned out as expected, and pfwd stopped as asked.", len(d.probes))))
	return nil
}

// attempts makes one attempt after another and counts those that go wrong.
func (s *stage) attempts(ctx context.Context, probes []probe) (wrong int, err error) {
	scene := ""
	for _, p := range probes {
		if ctx.Err() != nil {
			return wrong, fmt.Errorf("stopped before the end: %w", ctx.Err())
		}
		if p.scene() != scene {
			scene = p.scene()
			s.heading(scene)
		}
		ok, err := s.judge(p, s.port())
		if err != nil {
			return wrong, fmt.Errorf("%s, %s: %w", scene, p.title, err)
		}
		if !ok {
			wrong++
		}
	}
	return wrong, nil
}

// summary shows what a person would ask pfw afterwards.
func (s *stage) summary() error {
	for _, verb := range []string{"status", "rules"} {
		out, err := s.daemon.Pfw(verb)
		if err != nil {
			return err
		}
		s.heading("pfw " + verb)
		s.text(out)
	}
	all, err := s.daemon.Entries()
	if err != nil {
		return err
	}
	s.heading("the end of the audit log")
	for _, e := range all[max(0, len(all)-3):] {
		s.text(e.Line)
	}
	return nil
}
