package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// peer is a way to enforce a plan.
type peer struct {
	name  string
	needs []string // programs
	// absent says why it cannot be had although the programs are there; nil where nothing more is needed.
	absent func() string
	// enforce puts a plan in force on the stage's first host, where nothing is in force yet.
	enforce func(*stage, *plan) (enforced, cost, error)
	floor   bool // it enforces nothing of the plan: it is there to be compared with
	// Above these it takes minutes, or cannot do it at all; 0 is no limit.
	maxRules, maxList int
	// slow tells that changing this plan's list takes minutes.
	slow func(*plan) bool
}

// enforced is a plan in force.
type enforced interface {
	// replace puts a plan in the place of the one in force.
	replace(*plan) (cost, error)
	// change puts a plan with another list in its place, in the cheapest way that the program has.
	change(next *plan, added, removed []string) (cost, error)
	// pid is the process that has to run for it; 0 for none.
	pid() int
	close() error
}

// cost is what it took to put something in force.
type cost struct {
	wall time.Duration
	cpu  time.Duration // of all processes: what the wall time would be on a machine with nothing else to do
	peak int64         // resident memory of the program itself, bytes; 0 where it leaves the work to others
}

// missing says why a peer cannot be measured here, "" if it can.
func (p peer) missing() string {
	if len(p.needs) > 0 && !asRoot() {
		return "it wants root, and pfw does not"
	}
	for _, program := range p.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}
	if p.absent != nil {
		return p.absent()
	}
	return ""
}

// asRoot tells whether this is the machine's own root. Others are root in a user namespace of their own: there pfwd runs, and
// the other programs meet files and limits that are not theirs.
func asRoot() bool {
	users, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.HasSuffix(strings.TrimSpace(string(users)), " 4294967295")
}

// fits tells whether the peer is to be tried with a plan.
func (p peer) fits(x *plan) bool {
	return (p.maxRules == 0 || len(x.rules) <= p.maxRules) && (p.maxList == 0 || len(x.list) <= p.maxList)
}

// write makes a file for the firewall and returns its path.
func (s *stage) write(name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// command runs a program on the firewall's host with a file as its standard input ("" is none) and says what it took.
func (s *stage) command(stdin string, name string, args ...string) (c cost, err error) {
	cmd := s.wall.Command(name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if stdin != "" {
		in, err := os.Open(stdin)
		if err != nil {
			return c, err
		}
		defer in.Close()
		cmd.Stdin = in
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	ended := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watch(cmd.Process.Pid, ended) }()
	err = cmd.Wait()
	c.wall, c.cpu = time.Since(begin), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	close(ended)
	c.peak = <-peak
	if err != nil {
		return c, fmt.Errorf("%s: %w: %.500s", name, err, said.Bytes())
	}
	return c, nil
}

// watch looks now and then how much memory a process had at most, until it has ended. What the kernel tells of a process that
// has ended (ru_maxrss) is never less than its parent had when it started it.
func watch(pid int, ended <-chan struct{}) (peak int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := memory(pid, "VmHWM"); err == nil {
			peak = now
		}
		select {
		case <-tick.C:
		case <-ended:
			return peak
		}
	}
}

// and adds what came after.
func (c cost) and(next cost) cost {
	return cost{c.wall + next.wall, c.cpu + next.cpu, max(c.peak, next.peak)}
}

// took shows both times.
func (c cost) took() string { return fmt.Sprintf("%s (%s)", seconds(c.wall), seconds(c.cpu)) }
