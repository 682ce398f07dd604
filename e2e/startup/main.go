// Startup measures what pfwd costs with the shipped firewall.toml: the time from its start until the policy is in force
// and it reports ready, and its resident memory when idle. The targets are 50 ms and 20 MiB; a number over one is for a
// person to look at, as a busy machine is slow for reasons of its own.
//
//	go run ./e2e/startup [-bin DIR] [-config FILE] [-n TIMES]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pfw/e2e/hosts"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the pfwd and pfw to measure")
	config := flag.String("config", "firewall.toml", "rule file")
	times := flag.Int("n", 20, "how many starts")
	flag.Parse()
	code, err := hosts.Isolated(func() int {
		if err := measure(filepath.Join(*bin, "pfwd"), filepath.Join(*bin, "pfw"), *config, max(1, *times)); err != nil {
			fmt.Fprintln(os.Stderr, "startup:", err)
			return 1
		}
		return 0
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "startup:", err)
	}
	os.Exit(code)
}

func measure(pfwd, pfw, config string, times int) (err error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	host, err := hosts.Create("startup")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	daemon, err := hosts.NewDaemon(host, pfwd, pfw, string(text))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.Close()) }()

	var took []time.Duration
	var resident string
	for range times {
		begin := time.Now()
		if err := daemon.Start(); err != nil {
			return err
		}
		took = append(took, time.Since(begin))
		if len(took) == times {
			time.Sleep(2 * time.Second)
			if resident, err = residentMemory(daemon.Pid()); err != nil {
				return err
			}
		}
		if err := daemon.Stop(); err != nil {
			return err
		}
	}
	slices.Sort(took)
	fmt.Printf("start to policy in force: median %s, worst %s of %d (target 50ms)\n",
		took[len(took)/2].Round(100*time.Microsecond), took[len(took)-1].Round(100*time.Microsecond), times)
	fmt.Printf("resident when idle: %s (target 20480 kB)\n", resident)
	return nil
}

func residentMemory(pid int) (string, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", fmt.Errorf("read resident memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("read resident memory: no VmRSS of process %d", pid)
}
