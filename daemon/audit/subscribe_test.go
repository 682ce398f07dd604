package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"
)

// next is what one call gives, in text: "1 2 3", "3 missed 4 5", "end".
func next(t *testing.T, s *Subscription, most int) string {
	t.Helper()
	into := make([]*Entry, most)
	n, missed, err := s.Next(t.Context(), into)
	if errors.Is(err, io.EOF) {
		return "end"
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []Entry
	for _, e := range into[:n] {
		all = append(all, *e)
	}
	text := seqs(all)
	if missed > 0 {
		text = fmt.Sprintf("%d missed %s", missed, text)
	}
	return text
}

func TestSubscribersGetWhatIsAppended(t *testing.T) {
	l := start(t, newSetup(t).options())
	l.Append(drop("before"))
	one, two := l.Subscribe(), l.Subscribe()
	defer two.Close()
	for range 5 {
		l.Append(drop("a"))
	}
	for _, c := range []struct {
		s    *Subscription
		most int
		want string
	}{{one, 2, "2 3"}, {one, 2, "4 5"}, {two, 9, "2 3 4 5 6"}, {one, 2, "6"}} {
		if got := next(t, c.s, c.most); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	one.Close()
	l.Append(drop("b"))
	l.stop()
	if got := next(t, two, 9) + " " + next(t, two, 9); got != "7 end" {
		t.Errorf("at the end of the log: %s", got)
	}
	late := l.Subscribe()
	defer late.Close()
	if got := next(t, late, 9); got != "end" {
		t.Errorf("after the end: %s", got)
	}
}

func TestSubscriberThatWaitsIsWoken(t *testing.T) {
	l := start(t, newSetup(t).options())
	s := l.Subscribe()
	defer s.Close()
	for i := range 3 {
		got := make(chan string)
		go func() { got <- next(t, s, 9) }()
		time.Sleep(3 * pause)
		l.Append(drop("a"))
		if text := <-got; text != fmt.Sprint(i+1) {
			t.Errorf("got %s", text)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*pause)
	defer cancel()
	if _, _, err := s.Next(ctx, make([]*Entry, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after its context has ended: %v", err)
	}
	l.stop()
}

func TestSubscriberThatDoesNotReadIsToldHowManyItMissed(t *testing.T) {
	l := start(t, newSetup(t).options())
	s := l.Subscribe()
	defer s.Close()
	for range feedSize + 1000 {
		l.Append(drop("a"))
	}
	if got := next(t, s, 2); got != "1000 missed 1001 1002" {
		t.Errorf("got %s", got)
	}
	if got := next(t, s, 2); got != "1003 1004" {
		t.Errorf("then %s", got)
	}
	l.stop()
}

// A hundred who read, and one who does not, while thousands of entries are logged: each gets all, or is told how many it missed.
func TestHundredSubscribers(t *testing.T) {
	const entries, readers = 50000, 100
	l := start(t, newSetup(t).options(), func(l *Log) { l.file.on = false })
	idle := l.Subscribe()
	defer idle.Close()
	var wait sync.WaitGroup
	for range readers {
		s := l.Subscribe()
		wait.Go(func() {
			defer s.Close()
			into := make([]*Entry, 512)
			var last uint64
			for {
				n, m, err := s.Next(t.Context(), into)
				if err != nil {
					if last != entries || !errors.Is(err, io.EOF) {
						t.Errorf("ends after entry %d: %v", last, err)
					}
					return
				}
				if into[0].Seq != last+m+1 || into[n-1].Seq-into[0].Seq != uint64(n-1) {
					t.Errorf("entries %d to %d come after %d, with %d missed", into[0].Seq, into[n-1].Seq, last, m)
				}
				last = into[n-1].Seq
			}
		})
	}
	for range entries {
		l.Append(drop("a"))
	}
	l.stop()
	wait.Wait()
}

// Who reads along learns what the file does not have, and with which number.
func TestSubscriberIsToldWhatTheFileLost(t *testing.T) {
	s := newSetup(t)
	hold, held := make(chan struct{}), make(chan struct{}, 10)
	l := start(t, s.options(), func(l *Log) { l.file.store, l.file.limit = &late{l.file.store, held, hold}, 1 })
	sub := l.Subscribe()
	defer sub.Close()
	l.Append(drop("a"))
	<-held
	l.Append(drop("b")) // finds the queue full
	close(hold)
	eventually(t, "the loss is told", func() bool { return l.Stats().File.Written == 2 })
	l.stop()
	if got := next(t, sub, 9); got != "1 2 3" {
		t.Errorf("got %s", got)
	}
	if got := seqs(entries(t, s.file)); got != "1 3" {
		t.Errorf("the file has %s", got)
	}
}

func TestFeedKeepsNothingForNobody(t *testing.T) {
	l := start(t, newSetup(t).options())
	s := l.Subscribe()
	l.Append(drop("a"))
	s.Close()
	l.Append(drop("b"))
	for _, e := range l.feed.entries {
		if e != nil {
			t.Errorf("entry %d is kept", e.Seq)
		}
	}
	l.stop()
}
