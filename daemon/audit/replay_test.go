package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func numberedLine(seq int) string {
	e := drop("a")
	e.Timestamp, e.Seq = at, uint64(seq)
	return string(e.AppendJSON(nil)) + "\n"
}

func TestReplayReadsTheOldFilesFirst(t *testing.T) {
	s := newSetup(t)
	write(t, s.file+".10", numberedLine(1)+numberedLine(2))
	write(t, s.file+".4", numberedLine(3))
	write(t, s.file+".1", "")
	write(t, s.file, numberedLine(4)+numberedLine(5))
	write(t, s.file+".bak", numberedLine(9))
	for after, want := range []string{"1 2 3 4 5", "2 3 4 5", "3 4 5", "4 5", "5", ""} {
		var got []Entry
		if skipped, err := Replay(s.file, uint64(after), func(e Entry) { got = append(got, e) }); skipped != 0 || err != nil || seqs(got) != want {
			t.Errorf("after %d: %s (%d damaged, %v), want %s", after, seqs(got), skipped, err, want)
		}
	}
}

func TestReplayPassesOverDamage(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		skipped          int
	}{
		{"text", numberedLine(1) + "hello\n" + numberedLine(2), "1 2", 1},
		{"an empty line", numberedLine(1) + "\n" + numberedLine(2), "1 2", 0},
		{"torn", numberedLine(1) + numberedLine(2)[:60], "1", 1},
		{"torn of its end", numberedLine(1) + strings.TrimSuffix(numberedLine(2), "\n"), "1 2", 0},
		{"a line without end", numberedLine(1) + strings.Repeat("x", 3*maxLine) + "\n" + numberedLine(2), "1 2", 1},
		{"zeros after a power cut", numberedLine(1) + strings.Repeat("\x00", 4096) + "\n" + numberedLine(2), "1 2", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSetup(t)
			write(t, s.file, c.text)
			var got []Entry
			skipped, err := Replay(s.file, 0, func(e Entry) { got = append(got, e) })
			if err != nil || skipped != c.skipped || seqs(got) != c.want {
				t.Errorf("got %s, %d damaged, %v; want %s, %d", seqs(got), skipped, err, c.want, c.skipped)
			}
		})
	}
}

func TestReplayOfNothing(t *testing.T) {
	for _, path := range []string{"/dev/zero", filepath.Join(t.TempDir(), "audit.jsonl"), "/none/audit.jsonl"} {
		if skipped, err := Replay(path, 0, func(Entry) { t.Error("an entry") }); skipped != 0 || err != nil {
			t.Errorf("%s: %d, %v", path, skipped, err)
		}
	}
}

func TestReplayWhileFilesAreRotatedMissesNothing(t *testing.T) {
	s := newSetup(t)
	l := s.busy(t, 2000, 100)
	eventually(t, "the first entry", func() bool { return l.Stats().File.Written > 0 })
	for range 30 {
		next := uint64(1)
		if _, err := Replay(s.file, 0, func(e Entry) {
			if e.Seq != next {
				t.Errorf("entry %d comes where %d should", e.Seq, next)
			}
			next = e.Seq + 1
		}); err != nil {
			t.Error(err)
		}
	}
	l.stop()
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte(numberedLine(1)+numberedLine(2)[:40]), uint64(0))
	f.Add([]byte("\x00\n{}\n"+numberedLine(7)), uint64(3))
	f.Add([]byte(`{"timestamp":"","seq":18446744073709551615,`), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, after uint64) {
		s := newSetup(t)
		if err := os.WriteFile(s.file, data, 0o640); err != nil {
			t.Fatal(err)
		}
		n, highest := 0, uint64(0)
		skipped, err := Replay(s.file, after, func(e Entry) {
			if n++; e.Seq <= after {
				t.Errorf("entry %d after %d", e.Seq, after)
			}
			highest = max(highest, e.Seq)
		})
		if err != nil || n+skipped > bytes.Count(data, []byte("\n"))+1 {
			t.Errorf("%d entries, %d damaged, %v", n, skipped, err)
		}
		l := start(t, s.options())
		l.Append(drop("next"))
		l.stop()
		var last Entry
		if _, err := Replay(s.file, 0, func(e Entry) { last = e }); err != nil || last.PFW.Rule != "next" || last.Seq <= highest && len(data) < tail {
			t.Errorf("the next entry is %d after %d: %v", last.Seq, highest, err)
		}
	})
}
