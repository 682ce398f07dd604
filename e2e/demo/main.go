// Demo shows pfw at work: it makes two hosts in network namespaces, a laptop
// with the real pfwd and the shipped firewall.toml, and another machine that is
// both its neighbour on the LAN and a stranger; sends real traffic between them;
// and shows for each what happened at the other end and which rule decided. It
// touches nothing of the machine it runs on, and needs no root where user
// namespaces are allowed.
//
// On a terminal it goes on with traffic until Enter or Ctrl-C. Elsewhere it ends
// by itself, with status 0 only if everything turned out as expected.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"pfw/e2e/hosts"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the pfwd and pfw to show")
	config := flag.String("config", "firewall.toml", "rule file to show them with")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./e2e/demo [-bin DIR] [-config FILE]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	code, err := hosts.Isolated(func() int {
		terminal := term.IsTerminal(int(os.Stdout.Fd()))
		s := &screen{out: os.Stdout, colour: terminal && os.Getenv("NO_COLOR") == ""}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if terminal && term.IsTerminal(int(os.Stdin.Fd())) {
			s.enter = enter(os.Stdin)
		}
		err := show(ctx, s, filepath.Join(*bin, "pfwd"), filepath.Join(*bin, "pfw"), *config)
		if errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "demo: stopped")
			return 130
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			return 1
		}
		return 0
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	os.Exit(code)
}

// enter is closed when a line, or the end, comes from in. A read from a terminal
// cannot be called off, so its goroutine ends with the process.
func enter(in io.Reader) <-chan struct{} {
	pressed := make(chan struct{})
	go func() {
		defer close(pressed)
		// Enter, end of file or an error: the person is done in each case.
		_, _ = bufio.NewReader(in).ReadString('\n')
	}()
	return pressed
}

// show runs the whole demo; an error is anything that was not as it should be.
func show(ctx context.Context, s *screen, pfwd, pfw, config string) (err error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return fmt.Errorf("read rule file: %w", err)
	}
	for _, program := range []*string{&pfwd, &pfw} {
		if *program, err = filepath.Abs(*program); err != nil {
			return fmt.Errorf("find programs: %w", err)
		}
		if _, err := os.Stat(*program); err != nil {
			return fmt.Errorf("find programs (make build makes them): %w", err)
		}
	}
	n, err := newNetwork()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	d, err := hosts.NewDaemon(n.laptop, pfwd, pfw, logAllowed(string(text)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := copyLists(config, d.Config); err != nil {
		return err
	}
	s.introduce(config)
	if err := d.Start(); err != nil {
		return err
	}
	wrong := 0
	source := uint16(firstPort)
	for _, p := range probes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ok, err := judge(s, n, d, p, source)
		if err != nil {
			return fmt.Errorf("%s: %w", p.title, err)
		}
		if !ok {
			wrong++
		}
		source++
	}
	if err := summary(s, d); err != nil {
		return err
	}
	if s.enter != nil {
		if err := stayOn(ctx, s, n, d, source); err != nil {
			return err
		}
	}
	if err := d.Stop(); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d connections did not turn out as expected", wrong, len(probes))
	}
	s.line(green, "All %d connections turned out as expected, and pfwd stopped as asked.", len(probes))
	return nil
}
