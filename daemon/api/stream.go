package api

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"time"

	"pfw/daemon/audit"
)

const (
	recent = 1024 // entries that are answered at most to who asks for nothing in particular
	// What one reader who does not read holds at most: entries taken from the log, bytes to be sent.
	taken  = 128
	toSend = 16 << 10
)

// stream is an answer of events, which may go on for ever.
type stream struct {
	q    EventsQuery
	feed Feed
	out  http.ResponseWriter
	w    *bufio.Writer
	line []byte
	size int  // bytes of all lines
	sent bool // the header went out
	// past is the number up to which entries were answered where they are wanted.
	past uint64
}

// stream answers as long as somebody reads and the daemon runs.
func (s *server) stream(ctx context.Context, q EventsQuery, w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	o := &stream{q: q, feed: s.backend, out: w, w: bufio.NewWriterSize(w, toSend)}
	err := o.answer(ctx)
	switch {
	case err == nil, errors.Is(err, errGone):
		return nil
	case errors.Is(err, audit.ErrNoFile):
		return NewProblem(http.StatusConflict, `the audit log is not written to a file: [log] file is ""`, "journalctl -u pfwd has it where [log] journal is on")
	case !o.sent && o.w.Buffered() == o.size:
		return err
	}
	if ctx.Err() == nil {
		s.log.Warn("control socket: events are answered in part", "error", err)
	}
	// The answer must not look complete.
	panic(http.ErrAbortHandler)
}

// errGone says that who asked does not read any more.
var errGone = errors.New("the reader is gone")

func (o *stream) answer(ctx context.Context) error {
	if o.q.log() {
		if err := o.log(ctx, o.q.Newest); err != nil {
			return err
		}
	} else if !o.q.Follow {
		for _, e := range o.feed.Recent(recent) {
			if err := o.send(&e); err != nil {
				return err
			}
		}
	}
	if o.q.Follow {
		return o.follow(ctx)
	}
	return o.flush()
}

// log answers what was logged after the past that was answered.
func (o *stream) log(ctx context.Context, newest int) (err error) {
	o.past, err = o.feed.Past(ctx, audit.Query{
		After: o.past, Since: o.q.Since, Until: o.q.Until, Filter: o.q.Filter, Newest: newest,
	}, o.send)
	return err
}

func (o *stream) follow(ctx context.Context) error {
	sub := o.feed.Follow(ctx, o.q.unlogged())
	defer sub.Close()
	if o.q.log() {
		// What came while the log was read, which may have taken long.
		if err := o.log(ctx, 0); err != nil {
			return err
		}
	}
	entries := make([]*audit.Entry, taken)
	for {
		// The first one is before anything happens: then a client knows that it misses nothing from here on.
		if err := o.flush(); err != nil {
			return err
		}
		n, missed, err := sub.Next(ctx, entries)
		if err != nil {
			return nil // the log has ended, or the reader
		}
		if missed = o.missing(missed, entries[0]); missed > 0 {
			if err := o.write(slow(missed)); err != nil {
				return err
			}
		}
		for _, e := range entries[:n] {
			if e.Seq > 0 && e.Seq <= o.past {
				continue
			}
			o.past = max(o.past, e.Seq)
			if err := o.send(e); err != nil {
				return err
			}
		}
	}
}

// missing is how many of the entries that went by before next the reader has not: some may be of the past that it read from
// the files, and those without a number are not for everyone.
func (o *stream) missing(wentBy uint64, next *audit.Entry) uint64 {
	switch {
	case next.Seq == 0 || o.q.unlogged():
		return wentBy
	case next.Seq <= o.past:
		return 0
	}
	return min(wentBy, next.Seq-1-o.past)
}

// slow tells a reader that it was too slow. It is not logged, so it has no number.
func slow(missed uint64) *audit.Entry {
	return &audit.Entry{
		Timestamp: time.Now(), EventType: audit.Lost,
		PFW: audit.PFW{Count: missed, Reason: "this reader was too slow; pfw log has what was logged of them"},
	}
}

// send writes e where it is wanted.
func (o *stream) send(e *audit.Entry) error {
	if !o.q.wants(e) {
		return nil
	}
	return o.write(e)
}

func (o *stream) write(e *audit.Entry) error {
	o.line = append(e.AppendJSON(o.line[:0]), '\n')
	o.size += len(o.line)
	if _, err := o.w.Write(o.line); err != nil {
		return errGone
	}
	return nil
}

func (o *stream) flush() error {
	o.sent = true
	if o.w.Flush() != nil || http.NewResponseController(o.out).Flush() != nil {
		return errGone
	}
	return nil
}
