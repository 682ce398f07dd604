// Command pfwd is the daemon of the pfw firewall: it puts firewall.toml in force, keeps it in force, and writes down what was
// blocked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"pfw/daemon"
)

// version is set by the linker, see the Makefile.
var version = "unknown"

// Exit statuses of pfwd.
const (
	exitStopped = 0
	exitFailed  = 1
	exitUsage   = 2
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	o := daemon.Options{Version: version}
	flags := flag.NewFlagSet("pfwd", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.Config, "config", "/etc/pfw/firewall.toml", "`FILE` with the rules")
	flags.StringVar(&o.RuntimeDir, "runtime-dir", "/run/pfw", "`DIR` of the control socket")
	flags.StringVar(&o.StateDir, "state-dir", "/var/lib/pfw", "`DIR` of what outlives a restart")
	tell := flags.Bool("version", false, "print the version and exit")

	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q: pfwd takes no arguments, only flags; what a person does is done with pfw", flags.Arg(0))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage(flags, stdout)
		return exitStopped
	case err != nil:
		fmt.Fprintln(stderr, "pfwd:", err)
		usage(flags, stderr)
		return exitUsage
	case *tell:
		fmt.Fprintln(stdout, "pfwd", version)
		return exitStopped
	}
	out := newOutput(stderr)
	defer out.close()
	o.Log = newLogger(out, underJournal(os.Getenv, os.Stderr))
	if err := daemon.Run(context.Background(), o); err != nil {
		o.Log.Error("pfwd ends", "error", err)
		return exitFailed
	}
	return exitStopped
}

func usage(flags *flag.FlagSet, w io.Writer) {
	fmt.Fprintln(w, "usage: pfwd [--config FILE] [--runtime-dir DIR] [--state-dir DIR]")
	flags.SetOutput(w)
	flags.PrintDefaults()
}
