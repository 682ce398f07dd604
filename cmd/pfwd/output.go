package main

import (
	"io"
	"sync/atomic"
	"time"
)

// output writes lines in a goroutine of its own. Whoever logs waits for a moment only: a journal that stands still, or a
// pipe that nobody reads, must not keep a policy from being changed, or the firewall from being turned off.
type output struct {
	w     io.Writer
	lines chan line
	// missed makes the line that tells how many could not be kept.
	missed func(n uint64) string

	dropped  atomic.Uint64
	stalled  atomic.Bool
	stopping chan struct{}
	ended    chan struct{}
}

type line struct {
	text    string
	written chan struct{} // closed when it is
}

const (
	outputQueue = 1024
	outputGrace = 200 * time.Millisecond
)

func newOutput(w io.Writer) *output {
	o := &output{w: w, lines: make(chan line, outputQueue), stopping: make(chan struct{}), ended: make(chan struct{})}
	o.missed = func(uint64) string { return "" }
	go o.run()
	return o
}

// say returns when the line is written or, where that takes long, when it is queued or dropped.
func (o *output) say(text string) {
	l := line{text, make(chan struct{})}
	select {
	case o.lines <- l:
	default:
		o.dropped.Add(1)
		return
	}
	if o.stalled.Load() {
		return
	}
	late := time.NewTimer(outputGrace)
	defer late.Stop()
	select {
	case <-l.written:
	case <-late.C:
		o.stalled.Store(true)
	}
}

func (o *output) run() {
	defer close(o.ended)
	for {
		select {
		case l := <-o.lines:
			o.write(l)
			continue
		default:
		}
		select {
		case l := <-o.lines:
			o.write(l)
		case <-o.stopping:
			if len(o.lines) == 0 {
				return
			}
		}
	}
}

func (o *output) write(l line) {
	text := l.text
	if n := o.dropped.Swap(0); n > 0 {
		text += o.missed(n)
	}
	// Nobody is left to tell that nobody can be told.
	_, _ = io.WriteString(o.w, text)
	close(l.written)
	if len(o.lines) == 0 {
		o.stalled.Store(false)
	}
}

// close writes what waits, for a moment; a writer that hangs is left behind.
func (o *output) close() {
	close(o.stopping)
	select {
	case <-o.ended:
	case <-time.After(outputGrace):
	}
}
