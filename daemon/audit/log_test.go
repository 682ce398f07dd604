package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// tb is what testing and rapid have in common.
type tb interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// running is a Log between its start and its end.
type running struct {
	*Log
	t      tb
	cancel context.CancelFunc
	done   chan error
	story  *bytes.Buffer // what it logged; to be read after stop
	quiet  func()        // ends what appends to it; nil where nothing does
}

// setup is where a test's log lives.
type setup struct {
	state string
	file  string
}

func newSetup(t testing.TB) setup {
	dir := t.TempDir()
	return setup{state: dir, file: filepath.Join(dir, "audit.jsonl")}
}

func (s setup) options() Options {
	return Options{StateDir: s.state, Sinks: SinkOptions{File: s.file, MaxSize: 64 << 20, Keep: 8}, Log: slog.New(slog.DiscardHandler)}
}

func start(t tb, o Options, change ...func(*Log)) *running {
	t.Helper()
	story := &bytes.Buffer{}
	o.Log = slog.New(slog.NewTextHandler(story, nil))
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Log: l, t: t, cancel: cancel, done: make(chan error, 1), story: story}
	go func() { r.done <- l.Run(ctx) }()
	t.Cleanup(cancel)
	return r
}

// busy starts a log to which entries are appended until it stops, no more than so many ahead of the file, which is rotated at
// that size.
func (s setup) busy(t tb, maxSize int64, ahead int) *running {
	t.Helper()
	o := s.options()
	o.Sinks.MaxSize, o.Sinks.Keep = maxSize, 1000
	r := start(t, o)
	stop := make(chan struct{})
	var appending sync.WaitGroup
	appending.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if r.Stats().File.Waiting < ahead {
					r.Append(drop("a"))
				}
			}
		}
	})
	r.quiet = func() {
		close(stop)
		appending.Wait()
	}
	return r
}

func (r *running) stop() {
	r.t.Helper()
	if r.quiet != nil {
		r.quiet()
	}
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("run: %v", err)
	}
}

func drop(rule string) Entry { return Entry{EventType: Drop, PFW: PFW{Rule: rule, Action: "block"}} }

// entries has what Replay reads, and wants every line whole.
func entries(t tb, path string) (all []Entry) {
	t.Helper()
	skipped, err := Replay(path, 0, func(e Entry) { all = append(all, e) })
	if err != nil || skipped > 0 {
		t.Errorf("replay %s: %d damaged lines, %v", path, skipped, err)
	}
	return all
}

func seqs(all []Entry) string {
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "%d ", e.Seq)
	}
	return strings.TrimSpace(b.String())
}

func eventually(t tb, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

func TestEntriesAreInTheFileAfterTheEnd(t *testing.T) {
	s := newSetup(t)
	l := start(t, s.options())
	before := time.Now().Add(-time.Microsecond)
	for i := range 1000 {
		l.Append(drop(fmt.Sprint("rule-", i%3)))
	}
	l.stop()
	all := entries(t, s.file)
	if len(all) != 1000 || all[0].Seq != 1 || all[999].Seq != 1000 || all[999].PFW.Rule != "rule-0" {
		t.Fatalf("%d entries: %s", len(all), seqs(all))
	}
	if ts := all[0].Timestamp; ts.Before(before) || ts.After(time.Now()) {
		t.Errorf("timestamp %v", ts)
	}
	st := l.Stats()
	if st.Logged != 1000 || st.File.Written != 1000 || st.File.Waiting != 0 || st.Lost != 0 || !st.File.On || st.Journal.On {
		t.Errorf("stats %+v", st)
	}
	if info, err := os.Stat(s.file); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestSeqGoesOnOverARestart(t *testing.T) {
	s := newSetup(t)
	for range 3 {
		l := start(t, s.options())
		l.Append(drop("a"))
		l.Append(drop("b"))
		l.stop()
	}
	if got := seqs(entries(t, s.file)); got != "1 2 3 4 5 6" {
		t.Errorf("seq %s", got)
	}
}

func TestSeqNeverRepeatsWhateverHappenedToItsFile(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(s setup)
		above  uint64 // the next number is above this
		says   string
	}{
		{"crash", func(s setup) { write(t, s.seq(), "65541\n") }, 65541, ""},
		{"missing", func(s setup) { remove(t, s.seq()) }, 5, "no such file"},
		{"empty", func(s setup) { write(t, s.seq(), "") }, 5, "is no sequence number"},
		{"text", func(s setup) { write(t, s.seq(), "one\n") }, 5, "is no sequence number"},
		{"overflow", func(s setup) { write(t, s.seq(), "18446744073709551615\n") }, 5, "is no sequence number"},
		{"restored from a backup", func(s setup) { write(t, s.seq(), "2\n") }, 5, "2 is behind the audit file"},
		{"missing, and the file was just rotated", func(s setup) { remove(t, s.seq()); rename(t, s.file, s.file+".1") }, 5, "no such file"},
		{"missing, and the newest line is torn", func(s setup) {
			remove(t, s.seq())
			write(t, s.file, read(t, s.file)+`{"timestamp":"2026-11-2`)
		}, 5, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSetup(t)
			l := start(t, s.options())
			for range 5 {
				l.Append(drop("a"))
			}
			l.stop()
			c.damage(s)
			l = start(t, s.options())
			l.Append(drop("a"))
			l.stop()
			var last Entry
			if _, err := Replay(s.file, 0, func(e Entry) { last = e }); err != nil {
				t.Fatal(err)
			}
			if last.Seq != c.above+1 {
				t.Errorf("seq %d, want %d", last.Seq, c.above+1)
			}
			if story := l.story.String(); c.says != "" && !strings.Contains(story, c.says) || c.says == "" && story != "" {
				t.Errorf("logged %q, want %q", story, c.says)
			}
		})
	}
}

func (s setup) seq() string { return filepath.Join(s.state, "seq") }

func write(t tb, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func read(t tb, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func remove(t tb, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func rename(t tb, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestSeqIsReservedAheadOfUse(t *testing.T) {
	s := newSetup(t)
	l := start(t, s.options(), func(l *Log) { l.file.on = false })
	for range 120000 {
		l.Append(drop("a"))
	}
	reserved := func() (n uint64) {
		_, err := fmt.Sscan(read(t, s.seq()), &n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "the file is ahead of 120000", func() bool { return reserved() >= 120000+seqBlock/2 })
	l.stop()
	if n := reserved(); n != 120000 {
		t.Errorf("after a clean end the file has %d, want 120000", n)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no state directory", func(o *Options) { o.StateDir += "/none" }, "state directory: stat "},
		{"state directory is a file", func(o *Options) { o.StateDir = "/proc/version" }, "not a directory"},
		{"no size", func(o *Options) { o.Sinks.MaxSize = 0 }, "size 0 is not above zero"},
		{"negative keep", func(o *Options) { o.Sinks.Keep = -1 }, "cannot keep -1 old files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newSetup(t).options()
			c.change(&o)
			if _, err := Open(o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAppendOfTheZeroEventIsABug(t *testing.T) {
	l, err := Open(newSetup(t).options())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != "audit: append of EventType(0)" {
			t.Errorf("panic %v", p)
		}
	}()
	l.Append(Entry{})
}

func TestEntriesAfterTheEndAreCounted(t *testing.T) {
	s := newSetup(t)
	l := start(t, s.options())
	l.stop()
	l.Append(drop("late"))
	if st := l.Stats(); st.Refused != 1 || len(entries(t, s.file)) != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestManyGoroutinesMayAppend(t *testing.T) {
	s := newSetup(t)
	l := start(t, s.options())
	done := make(chan struct{})
	for g := range 8 {
		go func() {
			for range 500 {
				l.Append(drop(fmt.Sprint("rule-", g)))
			}
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
	l.stop()
	all := entries(t, s.file)
	for i, e := range all {
		if e.Seq != uint64(i+1) {
			t.Fatalf("line %d has seq %d", i+1, e.Seq)
		}
	}
	if len(all) != 4000 {
		t.Errorf("%d entries", len(all))
	}
}

func TestRecentHasTheNewestOldestFirst(t *testing.T) {
	l := start(t, newSetup(t).options())
	if n := len(l.Recent(10)); n != 0 {
		t.Errorf("%d entries of an empty log", n)
	}
	for range ringSize + 100 {
		l.Append(drop("a"))
	}
	if got := seqs(l.Recent(3)); got != "1122 1123 1124" {
		t.Errorf("recent %s", got)
	}
	if got := l.Recent(1 << 20); len(got) != ringSize || got[0].Seq != 101 {
		t.Errorf("%d entries from %d", len(got), got[0].Seq)
	}
	l.stop()
}
