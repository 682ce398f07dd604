package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// minute is an entry of that minute after at, under rule even or odd by its number.
func minute(seq, minutes int) string {
	e := drop([]string{"even", "odd"}[seq%2])
	e.Timestamp, e.Seq = at.Add(time.Duration(minutes)*time.Minute), uint64(seq)
	return string(e.AppendJSON(nil)) + "\n"
}

func pastOf(t *testing.T, l *running, q Query) string {
	t.Helper()
	var all []Entry
	if _, err := l.Past(t.Context(), q, func(e *Entry) error { all = append(all, *e); return nil }); err != nil {
		t.Error(err)
	}
	return seqs(all)
}

// stalled keeps the writer of the file from writing, as a disk that hangs does.
type stalled struct{ store }

func (stalled) write([]*Entry) (int, error) { return 0, errors.New("no space left on device") }

func TestPast(t *testing.T) {
	s := newSetup(t)
	write(t, s.file+".2", minute(1, 0)+minute(2, 1))
	// The clock is set back: the times of neither the lines nor the files are in order.
	write(t, s.file+".1", minute(3, 10)+"damage\n"+minute(4, 2)+minute(5, 11))
	write(t, s.file, minute(6, 3)+minute(7, 12)+minute(8, 12)[:50])
	write(t, s.seq(), "8\n")
	l := start(t, s.options(), func(l *Log) { l.file.store = stalled{l.file.store} })
	for i := range 3 {
		e := drop([]string{"odd", "even"}[i%2])
		e.Timestamp = at.Add(time.Duration(20+i) * time.Minute)
		l.Append(e)
	}
	when := func(minutes int) time.Time { return at.Add(time.Duration(minutes) * time.Minute) }
	even := Filter{Rules: []string{"even"}}
	for _, c := range []struct {
		name string
		q    Query
		want string
	}{
		{"all", Query{}, "1 2 3 4 5 6 7 9 10 11"},
		{"after", Query{After: 4}, "5 6 7 9 10 11"},
		{"after all that is written", Query{After: 9}, "10 11"},
		{"since", Query{Since: when(10)}, "3 5 7 9 10 11"},
		{"since, a moment later", Query{Since: when(10).Add(time.Microsecond)}, "5 7 9 10 11"},
		{"until", Query{Until: when(10)}, "1 2 4 6"},
		{"until, a moment later", Query{Until: when(10).Add(time.Microsecond)}, "1 2 3 4 6"},
		{"between", Query{Since: when(2), Until: when(11)}, "3 4 6"},
		{"in another zone", Query{Since: when(21).In(time.FixedZone("", 9*3600))}, "10 11"},
		{"filtered", Query{Filter: even}, "2 4 6 10"},
		{"newest 1", Query{Newest: 1}, "11"},
		{"newest 3", Query{Newest: 3}, "9 10 11"},
		{"newest 4", Query{Newest: 4}, "7 9 10 11"},
		{"newest 6", Query{Newest: 6}, "5 6 7 9 10 11"},
		{"newest 9", Query{Newest: 9}, "2 3 4 5 6 7 9 10 11"},
		{"newest of all", Query{Newest: 10}, "1 2 3 4 5 6 7 9 10 11"},
		{"newest of fewer", Query{Newest: 99}, "1 2 3 4 5 6 7 9 10 11"},
		{"newest filtered", Query{Newest: 3, Filter: even}, "4 6 10"},
		{"newest until", Query{Newest: 2, Until: when(10)}, "4 6"},
		{"nothing", Query{Since: when(99)}, ""},
		{"newest of nothing", Query{Since: when(99), Newest: 5}, ""},
		{"beyond all years", Query{Since: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)}, ""},
	} {
		if got := pastOf(t, l, c.q); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	l.stop()
}

// The first entries of all wait to be written, and are written while they are asked for.
func TestPastWhileTheFirstEntriesAreWritten(t *testing.T) {
	s := newSetup(t)
	hold, held := make(chan struct{}), make(chan struct{})
	l := start(t, s.options(), func(l *Log) { l.file.store = &late{l.file.store, held, hold} })
	l.Append(drop("a"))
	<-held // it is written, and still waits in the books
	if got := pastOf(t, l, Query{}); got != "1" {
		t.Errorf("got %s, want 1", got)
	}
	close(hold)
	l.stop()
}

// late holds its writer up after the first write.
type late struct {
	store
	held, hold chan struct{}
}

func (h *late) write(entries []*Entry) (int, error) {
	done, err := h.store.write(entries)
	if len(entries) > 0 {
		h.held <- struct{}{}
		<-h.hold
	}
	return done, err
}

func TestPastPassesOverOldFiles(t *testing.T) {
	s := newSetup(t)
	write(t, s.file+".1", minute(1, 0)+minute(2, 1))
	write(t, s.file, minute(3, 60))
	old := at.Add(2 * time.Minute)
	if err := os.Chtimes(s.file+".1", old, old); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		since time.Time
		files int
	}{{time.Time{}, 2}, {at, 2}, {old.Add(clockSlack), 2}, {old.Add(clockSlack + 1), 1}} {
		files, err := openFiles(s.file, span{since: c.since})
		if err != nil || len(files) != c.files {
			t.Errorf("since %v: %d files, %v; want %d", c.since, len(files), err, c.files)
		}
		closeFiles(files, &err)
	}
}

func TestPastOfNoFile(t *testing.T) {
	o := newSetup(t).options()
	o.Sinks.File = ""
	l := start(t, o)
	if _, err := l.Past(t.Context(), Query{}, nil); !errors.Is(err, ErrNoFile) {
		t.Errorf("got %v", err)
	}
	l.stop()
}

func TestPastEndsWithItsReader(t *testing.T) {
	s := newSetup(t)
	write(t, s.file, minute(1, 0)+minute(2, 1)+minute(3, 2))
	l := start(t, s.options())
	gone := errors.New("gone")
	if _, err := l.Past(t.Context(), Query{}, func(*Entry) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, q := range []Query{{}, {Newest: 2}} {
		if _, err := l.Past(ctx, q, func(*Entry) error { n++; cancel(); return nil }); !errors.Is(err, context.Canceled) || n != 1 {
			t.Errorf("got %v after %d entries", err, n)
		}
	}
	l.stop()
}

// Past and then a subscription, while entries are written and files rotated: each entry once, in order.
func TestPastAndSubscriptionHaveNoGapAndNoDouble(t *testing.T) {
	s := newSetup(t)
	l := s.busy(t, 5000, 500)
	for range 20 {
		sub := l.Subscribe()
		next := uint64(1)
		one := func(e *Entry) error {
			if e.Seq != next {
				t.Errorf("entry %d comes where %d should", e.Seq, next)
			}
			next = e.Seq + 1
			return nil
		}
		last, err := l.Past(t.Context(), Query{}, one)
		if err != nil {
			t.Fatal(err)
		}
		into := make([]*Entry, 64)
		for n := 0; n < 200; {
			got, missed, err := sub.Next(t.Context(), into)
			if err != nil || missed > 0 {
				t.Fatalf("%d missed, %v", missed, err)
			}
			for _, e := range into[:got] {
				if e.Seq > last {
					_ = one(e)
					n++
				}
			}
		}
		sub.Close()
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
	}
	l.stop()
}

func TestLinesFromTheEnd(t *testing.T) {
	long := strings.Repeat("x", maxLine-10)
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"lines", "a\nbb\nccc\n", "5:ccc 2:bb 0:a"},
		{"no end", "a\nbb", "2:bb 0:a"},
		{"empty lines", "\n\na\n\n", "2:a"},
		{"over a chunk", "a\n" + long + "\nb\n" + long + "\nc\n", fmt.Sprintf("%d:c %d:%s %d:b 2:%s 0:a", 2*len(long)+6, len(long)+5, long, len(long)+3, long)},
		{"a line without end", "a\nb\n" + strings.Repeat("\x00", 5*maxLine) + "\nc\n", fmt.Sprintf("%d:c 2:b 0:a", 5*maxLine+5)},
		{"only such", strings.Repeat("\x00", 5*maxLine), ""},
	} {
		b := backward{f: strings.NewReader(c.text), start: int64(len(c.text))}
		var got []string
		for {
			line, at, err := b.line()
			if err != nil {
				break
			}
			got = append(got, fmt.Sprintf("%d:%s", at, line))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: got %.100q, want %.100q", c.name, text, c.want)
		}
	}
}

// What is told from a line without decoding it must be what the entry says.
func FuzzQuick(f *testing.F) {
	f.Add([]byte(strings.TrimSpace(minute(7, 3))), uint64(6), uint64(9), int64(-1), int64(1))
	f.Add([]byte(`{"timestamp":"2026-11-21T19:22:14.123456+0100","seq":7,"event_type":"drop","pfw":{}}`), uint64(0), uint64(0), int64(0), int64(0))
	f.Add([]byte(`{"event_type":"reload","pfw":{"reason":",\"seq\":1,"},"seq":7,"timestamp":"2026-11-21T19:22:14.123456+0000"}`), uint64(3), uint64(0), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, line []byte, after, below uint64, since, until int64) {
		s := span{after: after, below: below}
		if since != 0 {
			s.since = at.Add(time.Duration(since))
		}
		if until != 0 {
			s.until = at.Add(time.Duration(until))
		}
		var e Entry
		q := s.quick()
		if e.UnmarshalJSON(line) == nil && string(e.AppendJSON(nil)) == string(line) && q.without(line) && s.holds(&e) {
			t.Errorf("%s: said to be without what it is", line)
		}
	})
}
