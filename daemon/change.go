package daemon

import (
	"context"
	"time"
)

// patience bounds what the kernel may take for a change; a list of a million prefixes takes ten seconds.
const patience = 90 * time.Second

// hold waits until nobody else changes what is in force, and gives what lets others again.
func (d *Daemon) hold() (release func()) {
	d.change.Lock()
	now := time.Now()
	d.changing.Store(&now)
	return func() {
		d.changing.Store(nil)
		d.change.Unlock()
	}
}

// alone waits until no other answer is made that takes much memory, and gives what lets others again. However many ask at once,
// the machine is to have memory left. Nobody is waited for who does not read an answer, as that is sent later.
func (d *Daemon) alone(ctx context.Context) (release func(), err error) {
	select {
	case d.heavy <- struct{}{}:
		return func() { <-d.heavy }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// busy tells whether a change is under way that may take long and has not taken too long yet. The table is read by nobody
// until it is over.
func (d *Daemon) busy() bool {
	since := d.changing.Load()
	return since != nil && time.Since(*since) < patience
}
