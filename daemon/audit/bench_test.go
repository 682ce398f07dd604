package audit

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

func BenchmarkAppendToFile(b *testing.B) {
	s := newSetup(b)
	l := start(b, s.options())
	e := telnet()
	b.ReportAllocs()
	for b.Loop() {
		for l.Stats().File.Waiting > fileQueue/2 { // the file is to be measured, not the dropping
			time.Sleep(time.Millisecond)
		}
		l.Append(e)
	}
	l.stop()
	if d := l.Stats().File.Dropped; d > 0 {
		b.Errorf("%d dropped", d)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// What an entry costs the log path while others look on.
func BenchmarkAppend(b *testing.B) {
	for _, readers := range []int{0, 1, 100} {
		for _, slow := range []bool{false, true} {
			if slow && readers == 0 {
				continue
			}
			name := fmt.Sprintf("%d subscribers", readers)
			if slow {
				name += " that do not read"
			}
			b.Run(name, func(b *testing.B) { benchmarkAppend(b, readers, slow) })
		}
	}
}

func benchmarkAppend(b *testing.B, readers int, slow bool) {
	o := newSetup(b).options()
	o.Sinks.File = ""
	l := start(b, o)
	ctx, cancel := context.WithCancel(b.Context())
	var wait sync.WaitGroup
	for range readers {
		s := l.Subscribe()
		wait.Go(func() {
			defer s.Close()
			if slow {
				<-ctx.Done()
				return
			}
			for into, err := make([]*Entry, 512), error(nil); err == nil; {
				_, _, err = s.Next(ctx, into)
			}
		})
	}
	e := telnet()
	b.ReportAllocs()
	for b.Loop() {
		l.Append(e)
	}
	cancel()
	wait.Wait()
	l.stop()
}

// What a question costs that reads a file of ten thousand entries.
func BenchmarkPast(b *testing.B) {
	s := newSetup(b)
	e := telnet()
	var text []byte
	for i := range 10000 {
		e.Seq = uint64(i + 1)
		e.Timestamp = at.Add(time.Duration(i) * time.Second)
		text = append(e.AppendJSON(text), '\n')
	}
	write(b, s.file, string(text))
	l := start(b, s.options())
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"all", Query{}},
		{"the last minute", Query{Since: e.Timestamp.Add(-time.Minute)}},
		{"the newest 50", Query{Newest: 50}},
		{"of another rule", Query{Filter: Filter{Rules: []string{"ssh"}}}},
		{"the newest 50 of another rule", Query{Newest: 50, Filter: Filter{Rules: []string{"ssh"}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := l.Past(b.Context(), c.q, func(*Entry) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	l.stop()
}

func BenchmarkOpen(b *testing.B) {
	s := newSetup(b)
	for b.Loop() {
		if _, err := Open(s.options()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e, buf := telnet(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		e.AppendJSON(buf)
	}
}

func BenchmarkJournalEntry(b *testing.B) {
	e := telnet()
	b.ReportAllocs()
	for b.Loop() {
		if len(e.Message()) == 0 || len(e.Fields()) == 0 {
			b.Fatal("empty")
		}
	}
}

func BenchmarkReplayOfOldEntries(b *testing.B) {
	s := newSetup(b)
	e := telnet()
	var text []byte
	for i := range 10000 {
		e.Seq = uint64(i + 1)
		text = append(e.AppendJSON(text), '\n')
	}
	if err := os.WriteFile(s.file, text, 0o640); err != nil {
		b.Fatal(err)
	}
	for _, after := range []uint64{0, 9999} {
		b.Run(fmt.Sprint("after ", after), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := Replay(s.file, after, func(Entry) {}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
