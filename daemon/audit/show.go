package audit

import "time"

// Show hands e to subscribers and to nobody else: it is not logged, so it has no number and is not counted. It is for what
// is only of interest while somebody looks. It never blocks.
func (l *Log) Show(e Entry) {
	if e.Timestamp.IsZero() {
		e.Timestamp = time.Now()
	}
	e.Timestamp = e.Timestamp.UTC()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.feed.add(&e)
}
