package lists

import (
	"context"
	"fmt"
	"io"
	"time"
)

// paced is a body that must not come too slowly: a server that sends a byte a second would keep a fetch for ever.
type paced struct {
	io.Reader
	timer *time.Timer
	every time.Duration
	// wanted is how many bytes have to come in that time, left how many of them are still missing.
	wanted, left int64
}

func newPaced(r io.Reader, every time.Duration, wanted int64, give context.CancelCauseFunc) *paced {
	slow := fmt.Errorf("it comes too slowly, less than %d KiB in %s", wanted>>10, every)
	return &paced{Reader: r, timer: time.AfterFunc(every, func() { give(slow) }), every: every, wanted: wanted, left: wanted}
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if p.left -= int64(n); p.left <= 0 {
		p.timer.Reset(p.every)
		p.left = p.wanted
	}
	return n, err
}

func (p *paced) stop() { p.timer.Stop() }
