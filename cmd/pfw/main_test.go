package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) {
	testscript.Main(isolated{m}, map[string]func(){"pfw": main})
}

// isolated runs the tests where a pfwd may be started.
type isolated struct{ m *testing.M }

func (i isolated) Run() int {
	code, err := hosts.Isolated(i.m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hosts:", err)
	}
	return code
}

// The verbs that need no daemon, as a person runs them: the real program, its output and its exit status.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup:               func(e *testscript.Env) error { e.Setenv("TZ", "UTC"); return nil },
		RequireExplicitExec: true, RequireUniqueNames: true,
	})
}

// exits runs a program and wants an exit status: exits STATUS PROGRAM ARGS...
func exits(ts *testscript.TestScript, negative bool, args []string) {
	if negative || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
