package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"pfw/daemon/api"
)

// feedWatchdog tells systemd that pfwd works while its parts do. One that hangs keeps it from doing so, and systemd
// starts pfwd anew; the table stays in force meanwhile.
func (d *Daemon) feedWatchdog() error {
	interval, err := d.notify.WatchdogInterval()
	if err != nil {
		d.log.Warn("watchdog not fed", "error", err)
	}
	if interval == 0 {
		return nil
	}
	socket := api.NewClient(filepath.Join(d.o.RuntimeDir, "control.sock"))
	for {
		pause := interval
		if err := d.works(socket, interval/2); err == nil {
			d.notified(d.notify.Watchdog())
		} else if d.work.Err() == nil {
			d.log.Error("watchdog not fed", "error", err)
			// The whole interval later would be too late.
			pause = interval / 10
		}
		select {
		case <-d.work.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// works asks each part for a sign of life.
func (d *Daemon) works(socket *api.Client, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(d.work, patience)
	defer cancel()
	// While a big list is loaded, the table answers nobody, nor who puts the addresses of names there; that this ends is bounded.
	if !d.busy() {
		if _, err := d.table.Changed(ctx); err != nil {
			return fmt.Errorf("the kernel's side does not answer: %w", err)
		}
		// It puts what it reads into the table.
		if err := d.domains.alive(ctx); err != nil {
			return fmt.Errorf("the reader of the DNS's answers does not answer: %w", err)
		}
	}
	if err := d.readers.alive(ctx); err != nil {
		return fmt.Errorf("the reader of the kernel's log does not answer: %w", err)
	}
	if _, err := socket.Status(ctx); err != nil {
		return fmt.Errorf("the control socket does not answer: %w", err)
	}
	return nil
}
