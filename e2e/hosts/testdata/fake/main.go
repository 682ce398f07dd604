// Fake stands in for pfwd in the tests of package hosts: it speaks sd_notify,
// writes an audit entry where the config says and obeys signals. With
// PFW_FAKE=bad it ends at once with status 1. Called with --socket it stands in
// for pfw: it prints its arguments, and ends with status 4 when asked to reload.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	if os.Args[1] == "--socket" {
		fmt.Println(strings.Join(os.Args[3:], " "))
		if os.Args[3] == "reload" {
			fmt.Fprintln(os.Stderr, "firewall.toml:1:1: bad")
			os.Exit(4)
		}
		return
	}
	if os.Getenv("PFW_FAKE") == "bad" {
		fmt.Fprintln(os.Stderr, "no policy")
		os.Exit(1)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM)
	text, err := os.ReadFile(os.Args[2])
	check(err)
	_, rest, _ := strings.Cut(string(text), "file = \"")
	path, _, _ := strings.Cut(rest, "\"")
	check(os.WriteFile(path, []byte(`{"seq":7,"event_type":"drop","pfw":{"rule":"default"}}`+"\n"+`{"seq":8,"ev`), 0o644))
	tell("STATUS=2 rules in force\nREADY=1")
	for s := range signals {
		if s == syscall.SIGTERM {
			return
		}
		tell("RELOADING=1\nMONOTONIC_USEC=1")
		tell("READY=1")
	}
}

func tell(text string) {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	check(err)
	_, err = conn.Write([]byte(text))
	check(err)
	check(conn.Close())
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
