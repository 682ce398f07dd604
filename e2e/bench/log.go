package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

// logTime is how long blocked packets come in.
const logTime = 2 * time.Second

// flatOut is a rate that nobody reaches.
const flatOut = 10_000_000

// logger writes a line of JSON for each packet that the firewall blocked.
type logger interface {
	pid() int
	// lines is how many packets have a line by now.
	lines() (int, error)
	// lost is how many packets it says to have lost; -1 where it says nothing of that.
	lost() (int, error)
	close() error
}

// logs compares how many blocked packets a second can be written down, as JSON in a file, on one CPU, while another sends
// them.
func (b *bench) logs() error {
	t := &table{title: "Log: blocked packets to JSON lines in a file, on one CPU"}
	t.row("", "packets/s", "sent", "with a line", "lost", "told of them", "CPU per line")
	rates := []int{50_000, 100_000, 200_000, flatOut}
	if b.quick {
		rates = []int{flatOut}
	}
	for _, rate := range rates {
		for _, l := range []struct {
			name  string
			needs []string
			start func(*stage) (logger, error)
		}{{"ulogd2", ulogdNeeds, startUlogd}, {"pfw", nil, b.startLogging}} {
			if !b.here(t, peer{name: l.name, needs: l.needs}) {
				continue
			}
			cells, err := writeDown(l.start, rate)
			if err != nil {
				b.failed(t, fmt.Errorf("%s: %w", l.name, err))
				continue
			}
			t.row(append([]string{l.name}, cells...)...)
		}
	}
	t.print(b.out)
	return nil
}

func writeDown(start func(*stage) (logger, error), rate int) (cells []string, err error) {
	s, err := newStage()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	l, err := start(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	first, last, err := cpus()
	if err != nil {
		return nil, err
	}
	if err := keepTo(l.pid(), last); err != nil {
		return nil, err
	}
	before, err := l.lines()
	if err != nil {
		return nil, err
	}
	cpu, err := processTime(l.pid())
	if err != nil {
		return nil, err
	}
	sent, took, err := s.sender.pace(stream{sources: (&plan{}).sources(false), to: netip.AddrPortFrom(wallAddress, closedPort)}, rate, first)
	if err != nil {
		return nil, err
	}
	got, err := settled(l)
	if err != nil {
		return nil, err
	}
	got -= before
	used, err := processTime(l.pid())
	if err != nil {
		return nil, err
	}
	told, err := l.lost()
	if err != nil {
		return nil, err
	}
	said := nothing
	if told >= 0 {
		said = exact(told)
	}
	return []string{
		fmt.Sprintf("%.0fk", float64(sent)/took.Seconds()/1e3), exact(sent), exact(got),
		fmt.Sprintf("%.1f %%", 100*float64(sent-got)/float64(sent)), said,
		fmt.Sprintf("%.2f µs", (used-cpu).Seconds()*1e6/float64(max(got, 1))),
	}, nil
}

// settled waits until no more lines come.
func settled(l logger) (int, error) {
	for last := -1; ; {
		time.Sleep(1500 * time.Millisecond)
		now, err := l.lines()
		if err != nil || now == last {
			return now, err
		}
		last = now
	}
}

// pace sends at a steady rate for logTime, from one CPU.
func (s *sender) pace(st stream, perSecond, cpu int) (sent int, took time.Duration, err error) {
	restore, err := pin(cpu)
	if err != nil {
		return 0, 0, err
	}
	defer restore()
	for begin := time.Now(); ; {
		took = time.Since(begin)
		if took >= logTime {
			return sent, took, nil
		}
		if ahead := time.Duration(sent)*time.Second/time.Duration(perSecond) - took; ahead > 0 {
			time.Sleep(ahead)
			continue
		}
		s.fill(st)
		if err := s.flush(); err != nil {
			return sent, took, err
		}
		sent += batch
	}
}

// cpus are two of the CPUs that may be used, the same one twice where there is but one.
func cpus() (first, last int, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return 0, 0, fmt.Errorf("read affinity: %w", err)
	}
	first = -1
	for cpu := range len(all) * 64 {
		if all.IsSet(cpu) {
			if last = cpu; first < 0 {
				first = cpu
			}
		}
	}
	return first, last, nil
}

// keepTo keeps all threads of a process on one CPU, and those that they make later.
func keepTo(pid, cpu int) error {
	var one unix.CPUSet
	one.Set(cpu)
	return eachThread(pid, func(tid int) error { return unix.SchedSetaffinity(tid, &one) })
}

func eachThread(pid int, f func(tid int) error) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return fmt.Errorf("find threads: %w", err)
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err == nil {
			err = f(tid)
		}
		if err != nil {
			return fmt.Errorf("thread %s: %w", t.Name(), err)
		}
	}
	return nil
}

// processTime is the CPU time of all threads of a process.
func processTime(pid int) (sum time.Duration, err error) {
	err = eachThread(pid, func(tid int) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(n)
		return err
	})
	return sum, err
}

// linesWith counts the lines that hold a word, of files as they are by now.
func linesWith(word, pattern string) (n int, err error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return 0, err
		}
		text, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return 0, err
		}
		n += bytes.Count(text, []byte(word))
	}
	return n, nil
}

// logging is pfwd.
type logging struct{ daemon }

func (b *bench) startLogging(s *stage) (logger, error) {
	x, _, err := b.pfw.enforce(s, &plan{rules: rulesOf(listedRules), log: true})
	if err != nil {
		return nil, err
	}
	return logging{x.(daemon)}, nil
}

func (x logging) lines() (int, error) { return linesWith(`"event_type":"drop"`, x.Log+"*") }

func (x logging) lost() (int, error) {
	var status struct {
		Events struct {
			Lost int `json:"lost"`
		} `json:"events"`
	}
	out, err := x.Pfw("status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &status)
	}
	return status.Events.Lost, err
}

// ulogd is a running ulogd2 behind rules that were written by hand.
type ulogd struct {
	cmd  *hosts.Cmd
	file string
}

var ulogdNeeds = []string{"nft", "ulogd"}

func startUlogd(s *stage) (logger, error) {
	if _, _, err := nftByHand.enforce(s, &plan{rules: rulesOf(listedRules), log: true}); err != nil {
		return nil, err
	}
	x := &ulogd{file: filepath.Join(s.dir, "ulogd.json")}
	conf, err := s.write("ulogd.conf", fmt.Sprintf(`[global]
logfile=%q
stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,json1:JSON
[log1]
group=100
netlink_socket_buffer_size=33554432
netlink_socket_buffer_maxsize=33554432
netlink_qthreshold=64
[json1]
file=%q
`, filepath.Join(s.dir, "ulogd.log"), x.file))
	if err != nil {
		return nil, err
	}
	x.cmd = s.wall.Command("ulogd", "-c", conf)
	if err := x.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ulogd: %w", err)
	}
	return x, await(func() (bool, error) {
		_, err := os.Stat(x.file)
		return err == nil, x.cmd.Process.Signal(unix.Signal(0))
	})
}

func (x *ulogd) pid() int            { return x.cmd.Process.Pid }
func (x *ulogd) lines() (int, error) { return linesWith("\n", x.file) }
func (x *ulogd) lost() (int, error)  { return -1, nil }

func (x *ulogd) close() error {
	err := x.cmd.Process.Kill()
	_ = x.cmd.Wait() // says that it was killed
	return err
}
