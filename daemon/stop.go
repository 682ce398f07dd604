package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"pfw/daemon/systemd"
)

// wait serves signals until pfwd is to end, and prepares the end.
func (d *Daemon) wait(ctx context.Context, signals <-chan os.Signal) error {
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP {
				d.group.Go(func() error {
					// Its error is told in the log; who sent a signal waits for no answer.
					_, _ = d.reload(d.work, false)
					return nil
				})
				continue
			}
			d.log.Info("asked to stop", "signal", s)
		case <-ctx.Done():
			d.log.Info("asked to stop")
		case <-d.work.Done():
			// A task failed; close gives its error. The table stays in force, as in a crash.
			return nil
		}
		return d.stop(context.WithoutCancel(ctx))
	}
}

// stop turns the firewall off, or leaves it to a successor, as whoever stops pfwd wants.
func (d *Daemon) stop(ctx context.Context) error {
	reason, unknown := systemd.WhyStopping(ctx)
	d.notified(d.notify.Stopping())
	d.end()
	defer d.hold()()
	d.stopping = true
	d.cancel()

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d.tick(ctx)
	d.bans.end()
	if reason == systemd.Stop {
		if err := d.table.Remove(ctx); err != nil {
			return err
		}
		d.log.Warn("the firewall is off: table inet pfw is removed")
		d.notified(d.notify.Status("the firewall is off"))
	} else {
		d.log.Info(leaving(reason, unknown))
		d.notified(d.notify.Status("the policy stays in force"))
	}
	// What the kernel holds of its log is handed over within moments; then the accounts are even.
	time.Sleep(batch)
	d.accounts.tick()
	d.tell(ctx)
	d.readers.closeAll()
	if reason == systemd.Stop {
		return d.ledgers.end()
	}
	return nil
}

// leaving says why the firewall stays on without pfwd; unknown is why the reason is not known.
func leaving(reason systemd.Reason, unknown error) string {
	const stays = "the policy stays in force "
	switch reason {
	case systemd.Restart:
		return stays + "until the next pfwd takes it over"
	case systemd.Shutdown:
		return stays + "while the machine goes down"
	case systemd.Unknown:
		// The ordinary case at a shutdown, as the system bus ends along with everything else.
		return fmt.Sprintf(stays+"as the machine may be going down: %v; to turn it off: systemctl stop pfwd; nft delete table inet pfw", unknown)
	default:
		panic("daemon: leave the policy in force for reason " + reason.String())
	}
}

// tick takes down what the kernel counts, for the last time.
func (d *Daemon) tick(ctx context.Context) {
	if _, err := d.count(ctx); err != nil {
		d.log.Warn("counters not read", "error", err)
		return
	}
	d.accounts.tick()
}

// close ends all tasks, the log last, and gives the first error that one ended with.
func (d *Daemon) close() error {
	d.cancel()
	d.end()
	d.readers.closeAll()
	d.readers.stopLogging()
	err := d.group.Wait()
	// The file has all that was logged now.
	if d.force.Load() != nil {
		d.ledgers.save()
	}
	return errors.Join(err, d.table.Close())
}
