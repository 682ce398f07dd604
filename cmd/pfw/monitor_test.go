package main

import (
	"bufio"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// A person who watches sees what is blocked while it happens, and ends it with Ctrl-C.
func TestMonitor(t *testing.T) {
	hosts.Need(t, "nft")
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, before)
	watch := local.Command(hosts.Build(t, "./cmd/pfw"), "--socket", d.Socket, "monitor")
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() { // ends with the program
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	want := `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d BLOCKED in tcp 192\.0\.2\.7:\d+ -> 192\.0\.2\.10:23 eth0 rule=default$`
	deadline := time.After(20 * time.Second)
	for seen := false; !seen; {
		// Again and again: nothing tells from outside when the program has begun to listen.
		conn, err := remote.Dial("tcp", "192.0.2.10:23", 200*time.Millisecond)
		if err == nil {
			t.Fatal("a blocked connection came through", conn.Close())
		}
		if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() {
			t.Fatal(err)
		}
		select {
		case line := <-lines:
			has(t, line, want)
			seen = true
		case <-deadline:
			t.Fatal("nothing is seen")
		default:
		}
	}
	if err := watch.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for range lines {
	}
	if err := watch.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}
