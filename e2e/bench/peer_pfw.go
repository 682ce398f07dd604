package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pfw/e2e/hosts"
)

// pfw is the program itself, as built in bin.
func pfw(bin string) peer {
	return peer{name: "pfw", enforce: func(s *stage, p *plan) (enforced, cost, error) { return startPfw(bin, s, pfwConfig(p), p) }}
}

// startPfw starts pfwd with a rule file and the list of a plan.
func startPfw(bin string, s *stage, text string, p *plan) (enforced, cost, error) {
	d, err := hosts.NewDaemon(s.wall, filepath.Join(bin, "pfwd"), filepath.Join(bin, "pfw"), text)
	if err != nil {
		return nil, cost{}, err
	}
	x := daemon{d}
	err = x.list(p)
	begin := time.Now()
	if err == nil {
		err = d.Start()
	}
	wall := time.Since(begin)
	if err != nil {
		return nil, cost{}, errors.Join(err, d.Close())
	}
	c := cost{wall: wall}
	if c.cpu, err = processTime(d.Pid()); err == nil {
		c.peak, err = memory(d.Pid(), "VmHWM")
	}
	return x, c, err
}

// daemon is a running pfwd.
type daemon struct{ *hosts.Daemon }

// list writes the list file beside the rules, where it is not there as it should be.
func (x daemon) list(p *plan) error {
	if !p.listed {
		return nil
	}
	path, text := filepath.Join(filepath.Dir(x.Config), "list.netset"), []byte(p.lines("%s\n"))
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	// Long enough ago to be told from a file that is still being written.
	defer time.Sleep(100 * time.Millisecond)
	return os.WriteFile(path, text, 0o644)
}

func (x daemon) replace(p *plan) (c cost, err error) {
	if err := errors.Join(x.Edit(pfwConfig(p)), x.list(p)); err != nil {
		return c, err
	}
	// proc(5): 5 makes the peak begin anew.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", x.Pid()), []byte("5"), 0); err != nil {
		return c, err
	}
	before, err := processTime(x.Pid())
	if err != nil {
		return c, err
	}
	begin := time.Now()
	if err := x.Reload(); err != nil {
		return c, err
	}
	c.wall = time.Since(begin)
	if c.cpu, err = processTime(x.Pid()); err == nil {
		c.cpu -= before
		c.peak, err = memory(x.Pid(), "VmHWM")
	}
	return c, err
}

func (x daemon) change(next *plan, _, _ []string) (cost, error) { return x.replace(next) }
func (x daemon) pid() int                                       { return x.Pid() }
func (x daemon) close() error                                   { return x.Close() }

// memory is a line of /proc/PID/status that tells of memory, in bytes.
func memory(pid int, name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("read memory: no %s of process %d", name, pid)
}

// pfwConfig is firewall.toml for a plan.
func pfwConfig(p *plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[default]\ninbound = \"block\"\noutbound = \"allow\"\n[log]\njournal = false\nunmatched = %t\nmax_rate = \"unlimited\"\nmax_size = \"1GiB\"\n", p.log)
	if p.listed {
		b.WriteString("[list.bench]\nfile = \"list.netset\"\n[[rule]]\nname = \"list\"\naction = \"block\"\ndirection = \"both\"\nremote = \"@bench\"\nlog = false\n")
	}
	for i, r := range p.rules {
		fmt.Fprintf(&b, "[[rule]]\nname = \"rule-%d\"\naction = %q\ndirection = %q\nlog = false\n", i,
			map[bool]string{false: "block", true: "allow"}[r.allow], map[bool]string{false: "in", true: "out"}[r.out])
		if r.protocol != "" {
			fmt.Fprintf(&b, "protocol = %q\nport = %q\n", r.protocol, r.ports("-"))
		}
		if r.remote.IsValid() {
			fmt.Fprintf(&b, "remote = %q\n", bare(r.remote))
		}
	}
	return b.String()
}
