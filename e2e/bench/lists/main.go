// Lists measures what a long list of addresses costs: to load it, to reload with it unchanged, to change a hundred of its
// entries, in memory, and for each packet. Times are those of a real pfwd on a test host, and of a busy machine where it is
// one; packets are told as ratios of what is measured in turns.
//
//	go run ./e2e/bench/lists [-bin DIR] [-entries N,N] [-rules N] [-rounds N]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pfw/e2e/hosts"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the pfwd and pfw to measure")
	entries := flag.String("entries", "100000,1000000", "lengths of lists, `N,N`")
	rules := flag.Int("rules", 1000, "how many other rules the file has, `N`")
	rounds := flag.Int("rounds", 5, "how often each is measured, `N`")
	flag.Parse()
	code, err := hosts.Isolated(func() int {
		for _, word := range strings.Split(*entries, ",") {
			n, err := strconv.Atoi(word)
			if err == nil {
				err = measure(filepath.Join(*bin, "pfwd"), filepath.Join(*bin, "pfw"), n, *rules, max(1, *rounds))
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "lists:", err)
				return 1
			}
		}
		return 0
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "lists:", err)
	}
	os.Exit(code)
}

func measure(pfwd, pfw string, entries, rules, rounds int) (err error) {
	for _, kind := range []kind{mixed, singles} {
		fmt.Printf("%d %s:\n", entries, kind)
		if err := life(pfwd, pfw, kind, entries, rules, rounds); err != nil {
			return err
		}
	}
	fmt.Printf("packets of new connections, %d %s:\n", entries, mixed)
	return packets(pfwd, pfw, entries, rounds)
}

// laid is a pfwd that has a list.
func laid(name, pfwd, pfw, config string, write func(dir string) error) (h *hosts.Host, d *hosts.Daemon, closing func() error, err error) {
	if h, err = hosts.Create(name); err != nil {
		return nil, nil, nil, err
	}
	if d, err = hosts.NewDaemon(h, pfwd, pfw, config); err != nil {
		return nil, nil, nil, errors.Join(err, h.Close())
	}
	closing = func() error { return errors.Join(d.Close(), h.Close()) }
	if err = write(filepath.Dir(d.Config)); err != nil {
		return nil, nil, nil, errors.Join(err, closing())
	}
	return h, d, closing, nil
}
