package names

import (
	"sync/atomic"
	"time"

	"pfw/enforce/nflog"
)

// Watcher reads packets of the DNS and has a book learn what they say. It serves one goroutine.
type Watcher struct {
	book      *Book
	questions questions
	streams   streams

	answers, unasked, malformed atomic.Uint64
}

// NewWatcher makes one for a book.
func NewWatcher(b *Book) *Watcher {
	return &Watcher{book: b, questions: questions{}, streams: streams{}}
}

// Seen counts what came.
type Seen struct {
	// Answers are those that were believed; Unasked nobody had asked for, and Malformed could not be read.
	Answers, Unasked, Malformed uint64
}

// And adds up.
func (s Seen) And(other Seen) Seen {
	return Seen{s.Answers + other.Answers, s.Unasked + other.Unasked, s.Malformed + other.Malformed}
}

// Seen may be called from any goroutine.
func (w *Watcher) Seen() Seen { return Seen{w.answers.Load(), w.unasked.Load(), w.malformed.Load()} }

// Packet reads one packet, from its IP header on, and gives what rules are about and is new.
func (w *Watcher) Packet(packet []byte, now time.Time) []Taught {
	p, ok := nflog.PayloadOf(packet)
	if !ok {
		w.malformed.Add(1)
		return nil
	}
	var out []Taught
	if !p.TCP {
		return w.message(&p, p.Data, now)
	}
	w.streams.add(&p, now, func(b []byte) { out = append(out, w.message(&p, b, now)...) })
	return out
}

func (w *Watcher) message(p *nflog.Payload, b []byte, now time.Time) []Taught {
	m, err := parse(b)
	if err != nil {
		w.malformed.Add(1)
		return nil
	}
	if !m.response {
		w.questions.put(asking{p.TCP, p.Source, p.Destination, m.id}, &m, now)
		return nil
	}
	question, ok := w.questions.take(asking{p.TCP, p.Destination, p.Source, m.id}, &m, now)
	if !ok {
		w.unasked.Add(1)
		return nil
	}
	w.answers.Add(1)
	m.recursive = question.recursive
	return w.book.learn(&m, now)
}
