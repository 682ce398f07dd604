package audit

import (
	"bytes"
	"io/fs"
	"strconv"
	"time"
)

// span is the part of the log that is to be read. As clocks are set back now and then, neither files nor lines are for sure in
// the order of their times: each is looked at, as far as it takes.
type span struct {
	after, below uint64    // entries above that number, and below this one; 0 is no bound
	since, until time.Time // entries of then and later, and of before; zero is no bound
}

// clockSlack is how far a clock may have been set back between an entry and the last write to its file.
const clockSlack = time.Minute

// beyond tells whether all that is in a file was written before s begins.
func (s *span) beyond(st fs.FileInfo) bool {
	return !s.since.IsZero() && st.ModTime().Add(clockSlack).Before(s.since)
}

// holds tells whether e is in s.
func (s *span) holds(e *Entry) bool {
	return e.Seq > s.after && (s.below == 0 || e.Seq < s.below) &&
		!e.Timestamp.Before(s.since) && (s.until.IsZero() || e.Timestamp.Before(s.until))
}

// quick holds lines against a span without decoding them, twenty times as fast: most lines are old.
type quick struct {
	span
	first, end []byte // since and until as stampTime, nil where there is no bound
}

const (
	stampHead = `{"timestamp":"`
	stampTime = "2006-01-02T15:04:05.000000" // in alphabetical order is in the order of time
	stampZone = `+0000"`
)

func (s span) quick() quick {
	// Lines have microseconds: a bound between two of them is the later one.
	text := func(t time.Time) []byte {
		b := t.UTC().Add(time.Microsecond-1).AppendFormat(nil, stampTime)
		if t.IsZero() || len(b) != len(stampTime) { // the year has not four digits
			return nil
		}
		return b
	}
	return quick{s, text(s.since), text(s.until)}
}

// without tells whether a line is surely of no entry in the span: it is as this package writes it, so it need not be decoded.
func (q *quick) without(line []byte) bool {
	if stamp := quickStamp(line); stamp != nil {
		if bytes.Compare(stamp, q.first) < 0 || q.end != nil && bytes.Compare(stamp, q.end) >= 0 {
			return true
		}
	}
	seq := quickSeq(line)
	return seq > 0 && (seq <= q.after || q.below > 0 && seq >= q.below)
}

// quickStamp finds the time of an entry, nil where it is not found.
func quickStamp(line []byte) []byte {
	rest, ok := bytes.CutPrefix(line, []byte(stampHead))
	if !ok || len(rest) < len(stampTime) || !bytes.HasPrefix(rest[len(stampTime):], []byte(stampZone)) {
		return nil
	}
	return rest[:len(stampTime)]
}

// quickSeq finds the number of an entry, 0 where it is not found.
func quickSeq(line []byte) uint64 {
	_, rest, ok := bytes.Cut(line, []byte(`,"seq":`))
	end := bytes.IndexByte(rest, ',')
	if !ok || end < 0 {
		return 0
	}
	seq, err := strconv.ParseUint(string(rest[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return seq
}
