package audit

import "time"

// Stats are counts since Open.
type Stats struct {
	Logged     uint64               // entries appended
	Types      map[EventType]uint64 // the same by type, those of which there are none too
	Suppressed uint64               // packets over the log cap, as told by the Suppressed entries appended
	Lost       uint64               // packets of the Lost entries appended, and what the file dropped; without a file, the journal
	Refused    uint64               // entries that came after the end
	Missed     uint64               // entries that subscribers were too slow for, each one's
	File       SinkStats
	Journal    SinkStats
}

// SinkStats is how a sink is doing.
type SinkStats struct {
	On      bool
	Written uint64    // entries
	Dropped uint64    // packets (of other entries: entries) that found the queue full; the sink tells them as lost
	Waiting int       // entries not written yet
	Err     error     // why it cannot be written, nil when it can
	Since   time.Time // when Err last came or went
}

type counts struct {
	logged, suppressed, lost, refused, missed uint64
	types                                     [len(eventNames)]uint64
}

func (c *counts) add(e *Entry) {
	c.logged++
	c.types[e.EventType]++
	switch e.EventType {
	case Suppressed:
		c.suppressed += e.PFW.Count
	case Lost:
		c.lost += e.PFW.Count
	case Drop, Allow, Ban, Unban, Alert, Cut, Reload, Tamper, Panic:
	default:
		panic("audit: count of " + e.EventType.String())
	}
}

// Stats may be called at any time.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	types := map[EventType]uint64{}
	for t := EventType(1); t.valid(); t++ {
		types[t] = l.counts.types[t]
	}
	return Stats{
		Logged: l.counts.logged, Types: types, Suppressed: l.counts.suppressed, Lost: l.counts.lost, Refused: l.counts.refused, Missed: l.counts.missed,
		File: l.file.snapshot(), Journal: l.journal.snapshot(),
	}
}

func (s *sink) snapshot() SinkStats {
	st := s.stats
	st.On = s.on
	st.Waiting = len(s.queued) + len(s.taken)
	return st
}

// Accounted is the packets of each account that this process has written to the file, up to and with the entry seq. Saved now and
// then, it makes the count over a crash exact: what was saved, and the weights of Replay after seq, are the packets that the file
// knows of; what a counter has beyond that was lost.
func (l *Log) Accounted() (seq uint64, packets map[Account]uint64) { return l.file.written.snapshot() }
