package main

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pfw/e2e/hosts"
)

// shows runs a pfw that follows until a line of its output matches, while something happens again and again: nothing tells from
// outside when it has begun to listen. Ctrl-C ends it then, with status 0. What it wrote is in shown.txt.
func shows(ts *testscript.TestScript, negative bool, args []string) {
	split := slices.Index(args, "--")
	sceneOf(ts, negative, args, 5, "shows REGEXP pfw ARGS... -- COMMAND ARGS...")
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	program, err := hosts.Program("./cmd/" + args[1])
	ts.Check(err)
	follow := exec.Command(program, args[2:split]...)
	follow.Env = append(os.Environ(), "TZ=UTC", "PFW_SOCKET="+ts.Getenv("PFW_SOCKET"))
	follow.Stderr = ts.Stderr()
	out, err := follow.StdoutPipe()
	ts.Check(err)
	ts.Check(follow.Start())
	found, ended := make(chan struct{}), make(chan string, 1)
	var once sync.Once
	go func() { // ends with the program
		text := ""
		for s := bufio.NewScanner(out); s.Scan(); text += s.Text() + "\n" {
			if pattern.MatchString(s.Text()) {
				once.Do(func() { close(found) })
			}
		}
		ended <- text
	}()
	deadline := time.After(30 * time.Second)
	happen := map[string]func(*testscript.TestScript, bool, []string){"connect": connect, "ping": ping, "exits": exits}[args[split+1]]
	for waiting := true; waiting; {
		happen(ts, false, args[split+2:])
		select {
		case <-found:
			waiting = false
		case <-time.After(100 * time.Millisecond):
		case <-deadline:
			ts.Check(follow.Process.Kill())
			ts.Fatalf("no line matches %s:\n%s", args[0], <-ended)
		}
	}
	ts.Check(follow.Process.Signal(syscall.SIGINT))
	text := <-ended
	ts.Check(os.WriteFile(ts.MkAbs("shown.txt"), []byte(text), 0o644))
	if err := follow.Wait(); err != nil {
		ts.Fatalf("Ctrl-C: %v", err)
	}
}
