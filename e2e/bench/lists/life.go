package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pfw/e2e/hosts"
)

// life measures a pfwd from its first start on.
func life(pfwd, pfw string, k kind, entries, rules, rounds int) (err error) {
	l := newList(k, entries)
	_, d, closing, err := laid("lists", pfwd, pfw, policy(true, rules), l.write)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	// Of a file that was not just written, as it would be at boot.
	time.Sleep(300 * time.Millisecond)

	var starts []spent
	peak, idle := "", ""
	for i := range rounds {
		began := time.Now()
		if err := d.Start(); err != nil {
			return err
		}
		cpu, err := processor(d.Pid())
		if err != nil {
			return err
		}
		starts = append(starts, spent{time.Since(began), cpu})
		if i == rounds-1 {
			time.Sleep(3 * time.Second)
			if peak, idle, err = memory(d.Pid()); err != nil {
				return err
			}
			break
		}
		// Outside of systemd, that removes the table, so that the next start is a cold one.
		if err := d.Stop(); err != nil {
			return err
		}
	}
	tell("cold start until ready", starts)
	fmt.Printf("  %-34s peak %s, idle %s\n", "memory of that start", peak, idle)

	reload := func(what string, before func() error) error {
		var took []spent
		for range rounds {
			if err := before(); err != nil {
				return err
			}
			before, err := processor(d.Pid())
			if err != nil {
				return err
			}
			began := time.Now()
			if err := d.Reload(); err != nil {
				return err
			}
			wall := time.Since(began)
			after, err := processor(d.Pid())
			if err != nil {
				return err
			}
			took = append(took, spent{wall, after - before})
		}
		tell(what, took)
		return nil
	}
	steps := []struct {
		what   string
		before func() error
	}{
		{"pfw reload, nothing changed", func() error { return nil }},
		{"pfw reload, 100 entries replaced", func() error { l.change(100); return settled(l, d) }},
		{"pfw reload, all entries replaced", func() error { l.change(entries); return settled(l, d) }},
	}
	for _, s := range steps {
		if err := reload(s.what, s.before); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second)
	if peak, idle, err = memory(d.Pid()); err != nil {
		return err
	}
	fmt.Printf("  %-34s peak %s, idle %s\n", "memory after all that", peak, idle)
	return nil
}

func settled(l *list, d *hosts.Daemon) error {
	err := l.write(strings.TrimSuffix(d.Config, "/firewall.toml"))
	time.Sleep(300 * time.Millisecond)
	return err
}

// spent is how long something took, and how much of a processor pfwd and the kernel for it had: on a busy machine that says
// more.
type spent struct{ wall, cpu time.Duration }

func tell(what string, took []spent) {
	of := func(f func(spent) time.Duration) string {
		var all []time.Duration
		for _, s := range took {
			all = append(all, f(s))
		}
		slices.Sort(all)
		return fmt.Sprintf("median %d ms, best %d ms", all[len(all)/2].Milliseconds(), all[0].Milliseconds())
	}
	fmt.Printf("  %-34s %s; of processor %s\n", what, of(func(s spent) time.Duration { return s.wall }), of(func(s spent) time.Duration { return s.cpu }))
}

// processor is the time of a processor that a process had, in user space and in the kernel.
func processor(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("read times of process %d: %w", pid, err)
	}
	var sum time.Duration
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // The thread has ended.
		}
		var n int64
		if _, err := fmt.Sscan(string(text), &n); err != nil {
			return 0, fmt.Errorf("read times of process %d: %w", pid, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// memory is the most that a process had resident so far, and what it has now.
func memory(pid int) (peak, now string, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", "", fmt.Errorf("read resident memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			peak = strings.TrimSpace(value)
		}
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			now = strings.TrimSpace(value)
		}
	}
	return peak, now, nil
}
