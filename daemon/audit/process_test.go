package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// children are what this test binary does as a process of its own, in a directory.
var children = map[string]func(dir string) error{"append for ever": appendForEver, "fill the disk": fillTheDisk, "be journald": beJournald}

func TestMain(m *testing.M) {
	child, ok := children[os.Getenv("AUDIT_CHILD")]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv("AUDIT_DIR")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is this binary as one of the children; mounts: where it may mount what it likes without anybody else seeing it.
func child(t *testing.T, what, dir string, mounts bool) *exec.Cmd {
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "AUDIT_CHILD="+what, "AUDIT_DIR="+dir)
	if mounts {
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if os.Getuid() != 0 {
			c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
	}
	return c
}

func mount(dir, options string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, options)
}

func appendForEver(dir string) error {
	l, err := Open(Options{
		StateDir: dir, Log: slog.New(slog.DiscardHandler),
		Sinks: SinkOptions{File: filepath.Join(dir, "audit.jsonl"), MaxSize: 100000, Keep: maxKeep},
	})
	if err != nil {
		return err
	}
	go func() {
		for {
			l.Append(drop("a"))
		}
	}()
	return l.Run(context.Background())
}

func TestAfterAKillTheSequenceGoesOn(t *testing.T) {
	s := newSetup(t)
	for range 4 {
		c := child(t, "append for ever", s.state, false)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		before := len(names(t, s.state))
		eventually(t, "five files are full", func() bool { return len(names(t, s.state)) >= before+5 })
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil {
			t.Fatal("killed, and ended well")
		}
	}
	var got []Entry
	skipped, err := Replay(s.file, 0, func(e Entry) { got = append(got, e) })
	if err != nil || skipped > 4 {
		t.Errorf("%d damaged lines after 4 kills, %v", skipped, err)
	}
	if !slices.IsSortedFunc(got, func(a, b Entry) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1 // the same number twice is an error too
	}) {
		t.Error("numbers do not rise")
	}
}

// fillTheDisk fills a real file system with everything on it, state and log, makes room again, and does the sum.
func fillTheDisk(dir string) error {
	if err := mount(dir, "size=1m"); err != nil {
		return err
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 900<<10), 0o600); err != nil {
		return err
	}
	file := filepath.Join(dir, "audit.jsonl")
	l, err := Open(Options{StateDir: dir, Log: slog.New(slog.DiscardHandler), Sinks: SinkOptions{File: file, MaxSize: 64 << 20, Keep: 1}})
	if err != nil {
		return err
	}
	l.file.limit = 1000
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()

	want := make(map[Account]uint64)
	for i := range 4000 {
		e := drop([]string{"ssh", "telnet", "default"}[i%3])
		want[e.Account()]++
		l.Append(e)
		if i%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(retryTime)
	if st := l.Stats().File; !errors.Is(st.Err, syscall.ENOSPC) || st.Dropped == 0 {
		return fmt.Errorf("on a full disk: %+v", st)
	}
	if err := os.Remove(filler); err != nil {
		return err
	}
	time.Sleep(2*retryTime + lossTime)
	cancel()
	if err := <-done; err != nil {
		return err
	}
	var all []Entry
	skipped, err := Replay(file, 0, func(e Entry) { all = append(all, e) })
	if diff := cmp.Diff(want, sum(all, 0, maxSeq)); diff != "" || err != nil || skipped != 0 {
		return fmt.Errorf("%d damaged lines, %v, packets appended and packets in the file: %s", skipped, err, diff)
	}
	return nil
}

func TestEveryPacketIsAccountedForOnARealFullDisk(t *testing.T) {
	if out, err := child(t, "fill the disk", t.TempDir(), true).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// beJournald prints what arrives at the journal's socket for one entry.
func beJournald(dir string) error {
	if err := mount("/run", ""); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/systemd/journal", 0o755); err != nil {
		return err
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/run/systemd/journal/socket", Net: "unixgram"})
	if err != nil {
		return err
	}
	l, err := Open(Options{StateDir: dir, Log: slog.New(slog.DiscardHandler), Sinks: SinkOptions{Journal: true}})
	if err != nil {
		return err
	}
	e := ping()
	e.Seq = 0
	l.Append(e)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Run(ctx); err != nil {
		return err
	}
	datagram := make([]byte, 4096)
	n, err := socket.Read(datagram)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(datagram[:n])
	return err
}

func TestWhatJournaldReceives(t *testing.T) {
	out, err := child(t, "be journald", t.TempDir(), true).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(got)
	want := []string{
		"MESSAGE=ALLOWED out icmpv6/echo-request 2001:db8::1 -> 2001:db8::2 wlan0 rule=default", "PFW_ACTION=allow", "PFW_DEST_IP=2001:db8::2",
		"PFW_DIRECTION=out", "PFW_EVENT_TYPE=allow", "PFW_ICMP_CODE=0", "PFW_ICMP_TYPE=128", "PFW_OUT_IFACE=wlan0", "PFW_PACKET_LEN=104",
		"PFW_PROTO=IPv6-ICMP", "PFW_RULE=default", "PFW_SEQ=1", "PFW_SRC_IP=2001:db8::1", "PFW_UID=0", "PRIORITY=6", "SYSLOG_IDENTIFIER=pfwd",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
