package audit

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// disk fails as told between the store and the real files.
type disk struct {
	mu     sync.Mutex
	room   int // bytes until it is full; -1 is no end
	broken bool
	delay  time.Duration
}

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *disk) heal() { d.set(func(d *disk) { d.room, d.broken, d.delay = -1, false, 0 }) }

func (d *disk) open(path string) (io.WriteCloser, fs.FileInfo, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return nil, nil, false, syscall.EIO
	}
	f, st, torn, err := openFile(path)
	return diskFile{f, d}, st, torn, err
}

type diskFile struct {
	io.WriteCloser
	disk *disk
}

func (f diskFile) Write(b []byte) (n int, err error) {
	f.disk.mu.Lock()
	delay := f.disk.delay
	f.disk.mu.Unlock()
	time.Sleep(delay)
	f.disk.set(func(d *disk) {
		switch {
		case d.broken:
			err = syscall.EIO
		case d.room < 0:
			n, err = f.WriteCloser.Write(b)
		case len(b) <= d.room:
			d.room -= len(b)
			n, err = f.WriteCloser.Write(b)
		default:
			n, err = f.WriteCloser.Write(b[:d.room])
			d.room = 0
			err = errors.Join(syscall.ENOSPC, err)
		}
	})
	return n, err
}

// lines has every whole entry of every file in dir, also of those moved away, and wants no number twice.
func lines(t tb, dir string) []Entry {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Entry
	seen := make(map[uint64]string)
	for _, path := range paths {
		last := uint64(0)
		for _, line := range bytes.Split([]byte(read(t, path)), []byte("\n")) {
			var e Entry
			if e.UnmarshalJSON(line) != nil {
				continue // torn, or the end
			}
			if before, ok := seen[e.Seq]; ok {
				t.Fatalf("entry %d is in %s and in %s", e.Seq, before, path)
			}
			if e.Seq < last {
				t.Fatalf("%s: entry %d stands after %d", path, e.Seq, last)
			}
			last, seen[e.Seq] = e.Seq, path
			all = append(all, e)
		}
	}
	return all
}

func sum(all []Entry, after, last uint64) map[Account]uint64 {
	packets := make(map[Account]uint64)
	for _, e := range all {
		if n := e.Weight(); n > 0 && e.Seq > after && e.Seq <= last && e.PFW.Rule != "" {
			packets[e.Account()] += n
		}
	}
	return packets
}

// What the file says of each rule adds up to the packets appended, to the packet, whatever happens to the disk meanwhile.
func TestEveryPacketIsAccountedForWhateverTheDiskDoes(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // the test's directory is removed as a whole
		rapid.SyncTest(t, func(t *rapid.T) { stormOf(t, dir) })
	})
}

func stormOf(t *rapid.T, dir string) {
	d := &disk{room: -1}
	sinks := SinkOptions{File: filepath.Join(dir, "audit.jsonl"), MaxSize: 2000, Keep: maxKeep}
	var l *running
	var began uint64
	restart := func() {
		l = start(t, Options{StateDir: dir, Sinks: sinks}, func(l *Log) {
			l.file.limit = 50
			l.store.open = d.open
		})
		began = l.lastSeq()
	}
	restart()
	settle := func() {
		d.heal()
		time.Sleep(10 * time.Second)
	}
	want := make(map[Account]uint64)
	type saved struct {
		began, seq uint64
		packets    map[Account]uint64
	}
	var snapshots []saved
	count := 0
	t.Repeat(map[string]func(*rapid.T){
		"append": func(t *rapid.T) {
			for range rapid.IntRange(1, 120).Draw(t, "entries") {
				e := Entry{
					EventType: rapid.SampledFrom([]EventType{Drop, Drop, Drop, Allow, Suppressed, Lost, Cut, Reload}).Draw(t, "type"),
					Direction: rapid.SampledFrom([]string{"in", "out"}).Draw(t, "direction"),
					PFW:       PFW{Rule: rapid.SampledFrom([]string{"ssh", "default"}).Draw(t, "rule")},
				}
				if e.EventType == Suppressed || e.EventType == Lost {
					e.PFW.Count = rapid.Uint64Range(1, 1000).Draw(t, "count")
				}
				if e.Weight() > 0 {
					want[e.Account()] += e.Weight()
				}
				l.Append(e)
			}
		},
		"wait": func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond) },
		"full": func(t *rapid.T) { d.set(func(d *disk) { d.room = rapid.IntRange(0, 3000).Draw(t, "bytes") }) },
		"slow": func(t *rapid.T) { d.set(func(d *disk) { d.delay = 700 * time.Millisecond }) },
		"eio":  func(t *rapid.T) { d.set(func(d *disk) { d.broken = true }) },
		"heal": func(t *rapid.T) { d.heal() },
		"tear one byte off": func(t *rapid.T) { // of the next line, the newline is what is missing
			d.heal()
			time.Sleep(10 * time.Second)
			l.Append(Entry{Timestamp: at, EventType: Reload})
			e := l.Recent(1)[0]
			d.set(func(d *disk) { d.room = len(e.AppendJSON(nil)) })
			time.Sleep(time.Second)
		},
		"move": func(t *rapid.T) {
			count++
			err := os.Rename(sinks.File, filepath.Join(dir, "moved-"+strconv.Itoa(count)+".jsonl"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		},
		"reconfigure": func(t *rapid.T) {
			next := sinks
			next.File = filepath.Join(dir, rapid.SampledFrom([]string{"audit.jsonl", "other.jsonl"}).Draw(t, "file"))
			next.MaxSize = rapid.Int64Range(300, 5000).Draw(t, "size")
			if err := l.Reconfigure(next); err == nil {
				sinks = next
			}
		},
		"off and on": func(t *rapid.T) {
			off := sinks
			off.File = ""
			if err := l.Reconfigure(off); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			d.heal()
			if err := l.Reconfigure(sinks); err != nil {
				t.Fatal(err)
			}
		},
		"restart": func(t *rapid.T) {
			settle()
			l.stop()
			restart()
		},
		"save": func(t *rapid.T) {
			seq, packets := l.Accounted()
			maps.DeleteFunc(packets, func(a Account, _ uint64) bool { return a.Rule == "" })
			snapshots = append(snapshots, saved{began, seq, packets})
		},
	})
	settle()
	if st := l.Stats().File; st.Err != nil || st.Waiting > 0 {
		t.Fatalf("ten seconds after the disk is back: %+v", st)
	}
	l.stop()
	all := lines(t, dir)
	if diff := cmp.Diff(want, sum(all, 0, maxSeq)); diff != "" {
		t.Fatalf("packets appended and packets in the file: %s", diff)
	}
	for _, s := range snapshots {
		if diff := cmp.Diff(s.packets, sum(all, s.began, s.seq)); diff != "" {
			t.Fatalf("accounted up to %d, and in the file: %s", s.seq, diff)
		}
	}
	if !slices.IsSortedFunc(entriesOf(t, sinks.File), func(a, b Entry) int { return int(a.Seq) - int(b.Seq) }) {
		t.Fatal("replay is out of order")
	}
}

// entriesOf is what Replay reads, where lines may be torn.
func entriesOf(t tb, path string) (all []Entry) {
	if _, err := Replay(path, 0, func(e Entry) { all = append(all, e) }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAccountedIsWhatIsWritten(t *testing.T) {
	s := newSetup(t)
	for life := range 2 {
		l := start(t, s.options())
		began := uint64(life * 4)
		if seq, packets := l.Accounted(); seq != began || len(packets) != 0 {
			t.Errorf("at the start: %v up to %d", packets, seq)
		}
		l.Append(drop("ssh"))
		l.Append(Entry{EventType: Suppressed, PFW: PFW{Rule: "ssh", Action: "block", Count: 41}})
		l.Append(Entry{EventType: Lost, Direction: "in", PFW: PFW{Rule: "default", Count: 7}})
		l.Append(Entry{EventType: Cut, PFW: PFW{Rule: "ssh", Action: "block"}})
		l.stop()
		want := map[Account]uint64{{Rule: "ssh", Action: "block"}: 42, {Rule: "default", Direction: "in"}: 7}
		if seq, packets := l.Accounted(); seq != began+4 || !maps.Equal(packets, want) {
			t.Errorf("at the end: %v up to %d", packets, seq)
		}
	}
}
