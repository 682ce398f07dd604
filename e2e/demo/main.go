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
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"pfw/e2e/hosts"
)

// exitStopped is what a shell makes of an interrupt.
const exitStopped = 128 + int(syscall.SIGINT)

func main() {
	bin := flag.String("bin", "bin", "`directory` of the pfwd and pfw to show")
	config := flag.String("config", "firewall.toml", "rule `file` to show them with")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: e2e/demo/run [-bin DIRECTORY] [-config FILE]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	code, err := hosts.Isolated(func() int {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
		d := demo{
			pfwd:   filepath.Join(*bin, "pfwd"),
			pfw:    filepath.Join(*bin, "pfw"),
			config: *config,
			probes: probes,
			screen: &screen{out: os.Stdout},
		}
		if term.IsTerminal(int(os.Stdout.Fd())) {
			d.screen.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
			if term.IsTerminal(int(os.Stdin.Fd())) {
				d.enter = func() (<-chan struct{}, error) { return enter(os.Stdin) }
			}
		}
		err := d.run(ctx)
		switch {
		case err != nil && stopped(ctx, err):
			fmt.Fprintln(os.Stderr, "demo:", err)
			return exitStopped
		case err != nil:
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

// stopped tells whether an error is for nothing but that somebody ended the demo. A terminal's interrupt may reach a program that is
// just being started, too.
func stopped(ctx context.Context, err error) bool {
	var exit *exec.ExitError
	if ctx.Err() != nil || !errors.As(err, &exit) {
		return ctx.Err() != nil || errors.Is(err, context.Canceled)
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGINT
}
