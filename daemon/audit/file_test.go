package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// names lists the audit files in dir.
func names(t tb, dir string) []string {
	paths, err := filepath.Glob(filepath.Join(dir, "audit.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

func TestRotationKeepsWholeLinesAndTheNewestFiles(t *testing.T) {
	for _, c := range []struct {
		keep  int
		files []string
	}{
		{0, []string{"audit.jsonl"}},
		{1, []string{"audit.jsonl", "audit.jsonl.1"}},
		{3, []string{"audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.3"}},
	} {
		t.Run(fmt.Sprint("keep ", c.keep), func(t *testing.T) {
			s := newSetup(t)
			o := s.options()
			o.Sinks.MaxSize, o.Sinks.Keep = 1000, c.keep
			l := start(t, o)
			for range 100 {
				l.Append(drop("a"))
			}
			l.stop()
			if got := names(t, s.state); !slices.Equal(got, c.files) {
				t.Errorf("files %v, want %v", got, c.files)
			}
			for _, name := range c.files {
				text := read(t, filepath.Join(s.state, name))
				if len(text) > 1000 || !strings.HasSuffix(text, "}}\n") || name != "audit.jsonl" && len(text) < 850 {
					t.Errorf("%s has %d bytes and ends in %q", name, len(text), text[max(0, len(text)-10):])
				}
			}
			all := entries(t, s.file)
			for i, e := range all {
				if e.Seq != uint64(100-len(all)+i+1) {
					t.Fatalf("the newest entries are not all there: %s", seqs(all))
				}
			}
		})
	}
}

func TestRotationGoesOnAfterACrashInTheMiddleOfIt(t *testing.T) {
	s := newSetup(t)
	write(t, s.file, strings.Repeat("x", 1999)+"\n")
	write(t, s.file+".2", "two\n") // there was a .1, which has become .2
	write(t, s.file+".old", "not ours\n")
	write(t, s.file+".07", "nor this\n")
	write(t, s.file+".20261121", "nor this\n")
	write(t, s.file+".9", "from when more were kept\n")
	o := s.options()
	o.Sinks.MaxSize, o.Sinks.Keep = 1000, 3
	l := start(t, o)
	l.Append(drop("a"))
	l.stop()
	want := []string{"audit.jsonl", "audit.jsonl.07", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.20261121", "audit.jsonl.old"}
	if got := names(t, s.state); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	if read(t, s.file+".2") != "two\n" || len(read(t, s.file+".1")) != 2000 {
		t.Error("the old files were moved where there was room")
	}
}

func TestALineTornByACrashSpoilsNoOther(t *testing.T) {
	whole := golden[0].line
	for _, c := range []struct{ name, before, want string }{
		{"half a line", whole + "\n" + whole[:50], whole + "\n" + whole[:50] + "\n"},
		{"all but its end", whole, whole + "\n"},
		{"one byte", "{", "{\n"},
		{"nothing torn", whole + "\n", whole + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSetup(t)
			write(t, s.file, c.before)
			l := start(t, s.options())
			l.Append(drop("a"))
			l.Append(drop("b"))
			l.stop()
			got := read(t, s.file)
			rest, ok := strings.CutPrefix(got, c.want)
			if all := strings.Split(rest, "\n"); !ok || len(all) != 3 || !strings.HasPrefix(all[0], `{"timestamp"`) || !strings.HasSuffix(all[1], `}}`) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestAFileThatIsMovedOrRemovedIsMadeAnew(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(s setup)
		want string // the entries under the name
	}{
		{"moved", func(s setup) { rename(t, s.file, s.file+".old") }, "2"},
		{"removed", func(s setup) { remove(t, s.file) }, "2"},
		{"directory removed", func(s setup) {
			if err := os.RemoveAll(filepath.Dir(s.file)); err != nil {
				t.Fatal(err)
			}
		}, "2"},
		{"replaced", func(s setup) { rename(t, s.file, s.file+".old"); write(t, s.file, "") }, "2"},
		{"emptied", func(s setup) { write(t, s.file, "") }, "2"},
		{"left alone", func(s setup) {}, "1 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSetup(t)
			s.file = filepath.Join(s.state, "log", "audit.jsonl")
			l := start(t, s.options())
			l.Append(drop("a"))
			eventually(t, "the first entry is written", func() bool { return l.Stats().File.Written == 1 })
			c.act(s)
			l.Append(drop("b"))
			l.stop()
			if got := seqs(entries(t, s.file)); got != c.want {
				t.Errorf("the file has %s, want %s", got, c.want)
			}
		})
	}
}

func TestReconfigure(t *testing.T) {
	s := newSetup(t)
	l := start(t, s.options())
	other := s.options().Sinks
	other.File = filepath.Join(s.state, "other.jsonl")

	l.Append(drop("a"))
	eventually(t, "entry 1 is written", func() bool { return l.Stats().File.Written == 1 })
	bad := other
	bad.File = "/proc/none/audit.jsonl"
	if err := l.Reconfigure(bad); err == nil || !strings.HasPrefix(err.Error(), "audit file: ") {
		t.Errorf("a file that cannot be opened: %v", err)
	}
	bad = other
	bad.MaxSize = 0
	if err := l.Reconfigure(bad); err == nil {
		t.Error("a size of zero is taken")
	}
	l.Append(drop("still there"))
	eventually(t, "entry 2 is written", func() bool { return l.Stats().File.Written == 2 })

	// The file that is there already may be gone for now: that keeps nobody from what else a new policy says.
	same := s.options().Sinks
	if err := os.Rename(s.file, s.file+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.file, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Reconfigure(same); err != nil {
		t.Errorf("a file that stays the same: %v", err)
	}
	if err := errors.Join(os.Remove(s.file), os.Rename(s.file+".away", s.file)); err != nil {
		t.Fatal(err)
	}

	if err := l.Reconfigure(other); err != nil {
		t.Fatal(err)
	}
	l.Append(drop("b"))
	eventually(t, "entry 3 is written", func() bool { return l.Stats().File.Written == 3 })

	l.Append(drop("before it is off"))
	if err := l.Reconfigure(SinkOptions{}); err != nil {
		t.Fatal(err)
	}
	l.Append(drop("off"))
	eventually(t, "entry 4 is written", func() bool { return l.Stats().File.Written == 4 })
	if l.Stats().File.On {
		t.Error("the file is on")
	}

	again := other
	again.MaxSize = 1
	if err := l.Reconfigure(again); err != nil {
		t.Fatal(err)
	}
	l.Append(drop("c"))
	l.stop()
	if got := seqs(entries(t, s.file)); got != "1 2" {
		t.Errorf("the first file has %s", got)
	}
	if got := seqs(entries(t, other.File)); got != "3 4 6" || len(read(t, other.File+".1")) == 0 {
		t.Errorf("the second file has %s", got)
	}
}

func TestAFileThatCannotBeOpenedIsAFaultAndNoReasonNotToStart(t *testing.T) {
	s := newSetup(t)
	s.file = filepath.Join(s.state, "deep", "er", "audit.jsonl")
	synctest.Test(t, func(t *testing.T) {
		l := start(t, s.options())
		synctest.Wait()
		if st := l.Stats().File; st.Err == nil || st.Since.IsZero() {
			t.Errorf("stats %+v", st)
		}
		l.Append(drop("a"))
		time.Sleep(3 * time.Second)
		if err := os.MkdirAll(filepath.Dir(s.file), 0o750); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if st := l.Stats().File; st.Err != nil || st.Written != 1 {
			t.Errorf("a second after it can be opened: %+v", st)
		}
		remove(t, s.file)
		remove(t, filepath.Dir(s.file))
		l.Append(drop("b"))
		l.stop()
		if story := l.story.String(); strings.Count(story, "audit log cannot be written") != 1 || strings.Count(story, "audit log is written again") != 1 {
			t.Errorf("logged %s", story)
		}
	})
	if got := seqs(entries(t, s.file)); got != "2" {
		t.Errorf("the file has %s", got)
	}
}

func TestAFaultEndsAlsoWhileNothingIsLogged(t *testing.T) {
	s := newSetup(t)
	s.file = filepath.Join(s.state, "deep", "er", "audit.jsonl")
	synctest.Test(t, func(t *testing.T) {
		l := start(t, s.options())
		time.Sleep(time.Minute)
		if l.Stats().File.Err == nil {
			t.Error("no fault")
		}
		if err := os.MkdirAll(filepath.Dir(s.file), 0o750); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := l.Stats().File.Err; err != nil {
			t.Errorf("a second after it can be opened: %v", err)
		}
		l.stop()
	})
}

func TestWhereRotationFailsTheFileGrows(t *testing.T) {
	s := newSetup(t)
	o := s.options()
	o.Sinks.MaxSize, o.Sinks.Keep = 1000, 1
	if err := os.MkdirAll(filepath.Join(s.file+".1", "x"), 0o750); err != nil { // cannot be renamed over
		t.Fatal(err)
	}
	l := start(t, o)
	for range 100 {
		l.Append(drop("a"))
	}
	eventually(t, "all is written", func() bool { return l.Stats().File.Written == 100 })
	if st := l.Stats().File; st.Err == nil || !strings.HasPrefix(st.Err.Error(), "rotate audit file: ") {
		t.Errorf("stats %+v", st)
	}
	if err := os.RemoveAll(s.file + ".1"); err != nil {
		t.Fatal(err)
	}
	l.Append(drop("b"))
	eventually(t, "the fault is over", func() bool { return l.Stats().File.Err == nil })
	l.stop()
	if got := entries(t, s.file); len(got) != 101 {
		t.Errorf("%d entries", len(got))
	}
}

func TestOverloadIsToldPerRuleWithinASecond(t *testing.T) {
	s := newSetup(t)
	synctest.Test(t, func(t *testing.T) {
		// Slow, too: that the disk is full is not known before the queue is.
		d := &disk{room: 0, delay: 200 * time.Millisecond}
		l := start(t, s.options(), func(l *Log) { l.file.limit, l.store.open = 10, d.open })
		// The first one is being written when the queue is full, and not taken only then: what is lost would go with it.
		l.Append(drop("first"))
		synctest.Wait()
		for range 9 {
			l.Append(drop("first"))
		}
		for range 7 {
			l.Append(drop("ssh"))
		}
		l.Append(Entry{EventType: Suppressed, Direction: "in", PFW: PFW{Rule: "default", Count: 100, Since: time.Now().Add(-time.Minute)}})
		l.Append(Entry{EventType: Tamper, PFW: PFW{Reason: "finds room still"}})
		if st := l.Stats(); st.File.Dropped != 107 || st.Lost != 107 || st.File.Waiting != 11 {
			t.Errorf("stats %+v", st)
		}
		time.Sleep(time.Minute)
		d.heal()
		time.Sleep(time.Second)
		all := entries(t, s.file)
		if len(all) != 13 {
			t.Fatalf("%d entries", len(all))
		}
		for i, want := range []string{
			"19 TAMPER: finds room still",
			"20 LOST 100 packets in rule=default since 1999-12-31T23:59:00Z: file: more entries than could be written in time",
			"21 LOST 7 packets rule=ssh since 2000-01-01T00:00:00Z: file: more entries than could be written in time",
		} {
			if e := all[10+i]; fmt.Sprint(e.Seq, " ", e.Message()) != want {
				t.Errorf("got  %d %s\nwant %s", e.Seq, e.Message(), want)
			}
		}
		l.stop()
	})
}

func TestAStalledFileHoldsUpNobody(t *testing.T) {
	s := newSetup(t)
	if err := syscall.Mkfifo(s.file, 0o640); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(s.file, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Write(make([]byte, 2<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the FIFO is not full: %v", err)
	}
	l := start(t, s.options(), func(l *Log) { l.file.limit = 5000 })
	l.Append(drop("a"))
	eventually(t, "the writer hangs", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.file.taken) == 1
	})
	began := time.Now()
	for range 19999 {
		l.Append(drop("a"))
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("19999 entries took %v to append", d)
	}
	if st := l.Stats(); st.File.Waiting != 5000 || st.File.Dropped != 15000 || st.Lost != 15000 {
		t.Errorf("stats %+v", st)
	}
	began = time.Now()
	l.stop()
	if d := time.Since(began); d < flushTime || d > 10*flushTime {
		t.Errorf("the end took %v", d)
	}
	if n := read(t, s.seq()); n != "20000\n" {
		t.Errorf("the sequence is at %s", n)
	}
	drained := make(chan error)
	go func() { // let the writer go
		_, err := io.Copy(io.Discard, reader)
		drained <- err
	}()
	eventually(t, "what was queued is written after all", func() bool { return l.Stats().File.Waiting == 0 })
	if n := l.lastSeq(); n != 20000 {
		t.Errorf("after the end numbers went on to %d, which the next start gives out again", n)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-drained; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}
