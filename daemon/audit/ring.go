package audit

// ring holds the newest entries that were logged.
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
