package audit

import (
	"maps"
	"sync"
	"time"
)

const (
	retryTime = 500 * time.Millisecond // between attempts at a store that fails
	lossTime  = time.Second            // at least this long between two reports of losses, so that overload is not made worse by telling of it
	batchTime = 2 * time.Millisecond   // at least this long between two writes, so that a flood costs few of them; a lone entry waits for nothing
	headroom  = 1024                   // entries beyond the bound for what is no packet: a flood must not push out a tamper or a ban
)

// store is where a sink's entries end up; it is used by the sink's own goroutine.
type store interface {
	// write puts entries away in order and says how many are done; the others are offered again. All done and an error: something is wrong
	// that has cost nothing yet. No entries: it looks whether it could write.
	write(entries []*Entry) (done int, err error)
	close() error
}

// sink is a bounded queue and its one writer. When the queue is full the newest entry is dropped and counted.
type sink struct {
	log   *Log
	name  string
	store store
	limit int
	wake  chan struct{}

	// With Log.mu held:
	on     bool
	digest *digest // nil where every entry goes by itself
	queued []*Entry
	taken  []*Entry // in the hands of the writer, counted against the bound
	losses losses
	told   time.Time // when losses were last reported
	stats  SinkStats

	written written
}

// written is the sum of the packets that are in the store, up to and with the entry seq.
type written struct {
	mu      sync.Mutex
	seq     uint64
	packets map[Account]uint64
}

func newSink(l *Log, name string, s store, limit int) *sink {
	return &sink{
		log: l, name: name, store: s, limit: limit, wake: make(chan struct{}, 1), losses: make(losses),
		written: written{packets: make(map[Account]uint64)},
	}
}

// push is called with Log.mu held. It says whether e is going to be written, as long as the store can.
func (s *sink) push(e *Entry) (queued bool) {
	if !s.on {
		return false
	}
	limit := s.limit
	if e.Weight() == 0 {
		limit += headroom
	}
	if len(s.queued)+len(s.taken) >= limit {
		why := errSlow
		if s.stats.Err != nil {
			why = s.stats.Err
		}
		n := s.losses.add(e, s.name+": "+why.Error())
		s.stats.Dropped += n
		if e.EventType != Lost && s.ofRecord() {
			s.log.counts.lost += n
		}
	} else {
		s.queued = append(s.queued, e)
		queued = true
	}
	s.rouse()
	return queued
}

// sumUp is called with Log.mu held, for every entry before push. It says whether e goes into a summary, and not by itself.
func (s *sink) sumUp(e *Entry, inFile bool) bool {
	if !s.on || s.digest == nil {
		return false
	}
	first := s.digest.idle()
	if !s.digest.add(e, inFile, time.Now()) {
		return false
	}
	if first { // the writer is to look at the clock
		s.rouse()
	}
	return true
}

// ofRecord says whether what this sink drops is lost: with a file, the journal is only a second copy.
func (s *sink) ofRecord() bool { return s == s.log.file || !s.log.file.on }

func (s *sink) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it is going to look already
	}
}

// run writes until Log.stop is closed and nothing is left, or the store fails after that.
func (s *sink) run() {
	stop := s.log.stop
	var taken time.Time
	for {
		if early := batchTime - time.Since(taken); early > 0 && stop != nil {
			stop = linger(early, stop)
		}
		entries, tell := s.take(stop == nil)
		if len(entries) == 0 {
			if stop == nil {
				s.idle(true)
				return
			}
			s.idle(false)
			stop = s.wait(stop, tell)
			if s.failing() {
				_, err := s.store.write(nil)
				s.note(err)
			}
			continue
		}
		taken = time.Now()
		done, err := s.store.write(entries)
		s.settle(entries[:done], err)
		if err == nil || done == len(entries) {
			continue
		}
		if stop == nil {
			s.idle(true)
			return
		}
		stop = linger(retryTime, stop)
	}
}

// wait blocks until there is something to do, or until tell is over (0: never). It returns nil once stop is closed.
func (s *sink) wait(stop chan struct{}, tell time.Duration) chan struct{} {
	var due <-chan time.Time
	if tell > 0 {
		timer := time.NewTimer(tell)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-s.wake:
	case <-due:
	case <-stop:
		return nil
	}
	return stop
}

// linger blocks for a time. It returns nil once stop is closed.
func linger(d time.Duration, stop chan struct{}) chan struct{} {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return stop
	case <-stop:
		return nil
	}
}

// take hands the writer what it has not written yet, else all that is queued and, where it is time, the losses. They get their
// numbers under the lock that empties the queue, so that a store's numbers only ever rise. Nothing to do: when to look again, 0 if
// only a push makes that necessary.
func (s *sink) take(last bool) (entries []*Entry, tell time.Duration) {
	now := time.Now()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if len(s.taken) > 0 {
		return s.taken, 0
	}
	s.taken, s.queued = s.queued, nil
	if len(s.losses) > 0 && !s.log.sealed {
		tell = lossTime - now.Sub(s.told)
		if last || tell <= 0 {
			lost := s.losses.entries(now, s.log.nextSeq)
			s.taken = append(s.taken, lost...)
			s.told = now
			if s.ofRecord() { // who reads along has to know what it cannot look up later
				for _, e := range lost {
					s.log.feed.add(e)
				}
			}
		}
	}
	if s.digest != nil {
		summed, due := s.digest.take(now, last)
		s.taken = append(s.taken, summed...)
		tell = sooner(tell, due)
	}
	if s.stats.Err != nil && s.on { // find out when it is over, also while nothing happens
		tell = sooner(tell, retryTime)
	}
	return s.taken, tell
}

// sooner is the shorter of two times to wait, where 0 is for ever.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

func (s *sink) failing() bool {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.stats.Err != nil && s.on
}

// settle accounts for entries that are written.
func (s *sink) settle(done []*Entry, err error) {
	if len(done) > 0 {
		s.written.add(done)
	}
	s.log.mu.Lock()
	s.taken = s.taken[len(done):]
	s.stats.Written += uint64(len(done))
	s.log.mu.Unlock()
	s.note(err)
}

// note keeps the store's state for Stats and logs where it changes.
func (s *sink) note(err error) {
	s.log.mu.Lock()
	before := s.stats.Err
	if (before == nil) != (err == nil) {
		s.stats.Since = time.Now()
	}
	s.stats.Err = err
	dropped := s.stats.Dropped
	s.log.mu.Unlock()
	switch {
	case before == nil && err != nil:
		s.log.log.Warn("audit log cannot be written", "sink", s.name, "err", err)
	case before != nil && err == nil:
		s.log.log.Info("audit log is written again", "sink", s.name, "dropped", dropped)
	}
}

// idle lets go of the store of a sink that is switched off or at its end.
func (s *sink) idle(end bool) {
	s.log.mu.Lock()
	on := s.on
	if !on {
		s.stats.Err = nil
	}
	s.log.mu.Unlock()
	if on && !end {
		return
	}
	if err := s.store.close(); err != nil {
		s.log.log.Warn("audit log not closed cleanly", "sink", s.name, "err", err)
	}
}

// unwritten is what is left in the sink, called with Log.mu held.
func (s *sink) unwritten() *loss {
	l := &loss{reason: s.name}
	for _, entries := range [][]*Entry{s.taken, s.queued} {
		for _, e := range entries {
			_, n := lost(e)
			l.count += n
		}
	}
	for _, o := range s.losses {
		l.count += o.count
	}
	if s.digest != nil {
		l.count += s.digest.sum()
	}
	return l
}

func (w *written) add(entries []*Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range entries {
		if n := e.Weight(); n > 0 {
			w.packets[e.Account()] += n
		}
	}
	w.seq = entries[len(entries)-1].Seq
}

func (w *written) snapshot() (uint64, map[Account]uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq, maps.Clone(w.packets)
}
