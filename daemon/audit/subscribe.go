package audit

import (
	"context"
	"io"
	"time"
)

const (
	// feedSize is how many entries a subscriber may be behind: what nflog delivers in a twentieth of a second at its highest rate.
	feedSize = 16384
	// pause is how long a subscriber who has read all there was is left alone. So it reads many at once where there are many, and
	// waking the subscribers costs the log next to nothing, however many they are.
	pause = 10 * time.Millisecond
)

// feed holds the newest entries for the subscribers, of whom each knows how far it has read: an entry is kept once, and costs the
// same to append, however many they are and however slow. It is used with Log.mu held.
type feed struct {
	entries     [feedSize]*Entry
	added       uint64
	subscribers int
	news        chan struct{} // closed by the next entry; nil while nobody waits
	ended       bool
}

func (f *feed) add(e *Entry) {
	if f.subscribers == 0 {
		return
	}
	f.entries[f.added%feedSize] = e
	f.added++
	f.wake()
}

func (f *feed) end() {
	f.ended = true
	f.wake()
}

func (f *feed) wake() {
	if f.news != nil {
		close(f.news)
		f.news = nil
	}
}

// Subscription reads entries as they are appended. It serves one goroutine, which closes it.
type Subscription struct {
	log  *Log
	next uint64    // in the feed
	done time.Time // when all there was had been read; zero while there is more
}

// Subscribe reads every entry from now on. A subscriber that falls too far behind misses some; the log never waits for it. For
// the past without a gap: subscribe, then take Past or Recent, and pass over what has a Seq seen already.
func (l *Log) Subscribe() *Subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.feed.subscribers++
	return &Subscription{log: l, next: l.feed.added}
}

// Close ends a subscription. It is called once.
func (s *Subscription) Close() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	f := &s.log.feed
	if f.subscribers--; f.subscribers == 0 {
		clear(f.entries[:])
	}
}

// Next waits until there are entries that were not read yet and gives the oldest of them, as many as into holds. Others read
// them too: they are not to be changed. missed is how many went by before them. The error is io.EOF after the end of the log, or
// that of ctx.
func (s *Subscription) Next(ctx context.Context, into []*Entry) (n int, missed uint64, err error) {
	if err := rest(ctx, time.Until(s.done.Add(pause))); err != nil {
		return 0, 0, err
	}
	for {
		n, missed, news := s.take(into)
		switch {
		case n == len(into):
			s.done = time.Time{}
			return n, missed, nil
		case n > 0:
			s.done = time.Now()
			return n, missed, nil
		case news == nil:
			return 0, 0, io.EOF
		}
		select {
		case <-news:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
}

// take gives what there is, or else a channel that tells of more, nil where none will come.
func (s *Subscription) take(into []*Entry) (n int, missed uint64, news <-chan struct{}) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	f := &s.log.feed
	if oldest := f.added - min(f.added, feedSize); s.next < oldest {
		missed = oldest - s.next
		s.log.counts.missed += missed
		s.next = oldest
	}
	for ; n < len(into) && s.next < f.added; n++ {
		into[n] = f.entries[s.next%feedSize]
		s.next++
	}
	if n == 0 && !f.ended {
		if f.news == nil {
			f.news = make(chan struct{})
		}
		news = f.news
	}
	return n, missed, news
}

// rest waits, but not beyond the end of ctx.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
