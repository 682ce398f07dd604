package api

import (
	"fmt"
	"net/http"
	"time"

	"pfw/daemon/audit"
)

const (
	recent = 1024 // entries that are answered at most to who does not follow
	// waiting bounds the entries that wait for a follower: a second of a busy log. What is over it is told as lost.
	waiting = 4096
	// maxFollowers bounds the memory that followers who do not read can hold.
	maxFollowers = 32
)

// events answers the newest entries, or with follow what happens from now on, one JSON object a line. Allowed
// connections are among them with all.
func events(s *server, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "all", "follow")
	if err != nil {
		return err
	}
	out := &stream{w: w, all: q["all"]}
	if q["follow"] {
		return s.follow(out, r)
	}
	w.Header().Set("Content-Type", ndjson)
	for _, e := range s.backend.Recent(recent) {
		if err := out.send(&e); err != nil {
			return nil // who asked is gone
		}
	}
	return nil
}

func (s *server) follow(out *stream, r *http.Request) error {
	if s.followers.Add(1) > maxFollowers {
		s.followers.Add(-1)
		return newProblem(http.StatusServiceUnavailable, fmt.Sprintf("%d follow already", maxFollowers))
	}
	defer s.followers.Add(-1)
	control := http.NewResponseController(out.w)
	// A person may stop the output of a terminal for as long as they like.
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("follow events: %w", err)
	}
	sub := s.backend.Follow(r.Context(), out.all, waiting)
	out.w.Header().Set("Content-Type", ndjson)
	// The header goes out now, so that a client knows that it misses nothing from here on.
	out.w.WriteHeader(http.StatusOK)
	var told uint64
	for {
		if err := control.Flush(); err != nil {
			return nil // who asked is gone
		}
		e, open := <-sub.C
		if !open {
			return nil
		}
		if err := out.send(&e); err != nil {
			return nil
		}
		// What else waits goes out in the same write.
		for range len(sub.C) {
			if e, open = <-sub.C; !open {
				break
			}
			if err := out.send(&e); err != nil {
				return nil
			}
		}
		if dropped := sub.Dropped(); dropped > told {
			if err := out.send(missed(dropped-told, e.Seq)); err != nil {
				return nil
			}
			told = dropped
		}
	}
}

const ndjson = "application/x-ndjson"

// missed tells a reader that it was too slow. The entries are in the log all the same, and this one is not: it has the
// sequence number of the entry before it.
func missed(n, seq uint64) *audit.Entry {
	return &audit.Entry{
		Timestamp: time.Now(), Seq: seq, EventType: audit.Lost,
		PFW: audit.PFW{Count: n, Reason: "this reader was too slow; the log has the entries"},
	}
}

type stream struct {
	w   http.ResponseWriter
	all bool
	buf []byte
}

func (o *stream) send(e *audit.Entry) error {
	if e.EventType == audit.Allow && !o.all {
		return nil
	}
	o.buf = append(e.AppendJSON(o.buf[:0]), '\n')
	_, err := o.w.Write(o.buf)
	return err
}
