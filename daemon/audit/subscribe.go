package audit

import (
	"context"
	"sync/atomic"
)

// ring holds the newest entries.
type ring struct {
	entries [ringSize]*Entry
	added   uint64
}

func (r *ring) add(e *Entry) {
	r.entries[r.added%ringSize] = e
	r.added++
}

// Recent has the newest entries, at most n and at most 1024 of them, oldest first.
func (l *Log) Recent(n int) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := min(uint64(max(n, 0)), l.ring.added, ringSize)
	entries := make([]Entry, 0, count)
	for i := l.ring.added - count; i < l.ring.added; i++ {
		entries = append(entries, *l.ring.entries[i%ringSize])
	}
	return entries
}

// Subscription receives entries as they are appended.
type Subscription struct {
	// C is closed when the subscriber's context ends or the log does; entries that wait in it can still be received.
	C <-chan Entry

	c       chan Entry
	dropped atomic.Uint64
	release func() bool
}

// Dropped is how many entries the subscriber was too slow for.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Subscribe delivers every entry from now on, until ctx ends. A subscriber that lets more than buffer entries wait misses entries;
// the log never waits for it. For the past without a gap: subscribe, take Recent, then pass over what has a Seq seen already.
func (l *Log) Subscribe(ctx context.Context, buffer int) *Subscription {
	c := make(chan Entry, max(buffer, 1))
	s := &Subscription{C: c, c: c}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealed {
		close(c)
		return s
	}
	l.subs[s] = struct{}{}
	s.release = context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unsubscribe(s)
	})
	return s
}

// unsubscribe is called with mu held.
func (l *Log) unsubscribe(s *Subscription) {
	if _, ok := l.subs[s]; !ok {
		return
	}
	s.release()
	delete(l.subs, s)
	close(s.c)
}

// push is called with mu held, so that it never meets a closed channel.
func (s *Subscription) push(e *Entry) {
	select {
	case s.c <- *e:
	default:
		s.dropped.Add(1)
	}
}
