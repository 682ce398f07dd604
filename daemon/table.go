package daemon

import (
	"context"
	"time"
)

const (
	// watchTime is how often the table is looked at where others can change it: the contract says within a second.
	watchTime = 500 * time.Millisecond
	// ownedTime is the same where the kernel keeps others off.
	ownedTime = 5 * time.Second
)

// keepTable restores the table where somebody else changed it.
func (d *Daemon) keepTable() error {
	every := watchTime
	if d.table.Owned() {
		every = ownedTime
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	// Others may change their own tables all the time, so that a reading fails now and then.
	const patient = 3
	failures := 0
	for {
		select {
		case <-d.work.Done():
			return nil
		case <-ticker.C:
		}
		changed, err := d.table.Changed(d.work)
		if err == nil && (changed || failures > 0) {
			err = d.restore(d.work)
		}
		if d.work.Err() != nil {
			return nil
		}
		told := failures >= patient
		failures++
		if err == nil {
			failures = 0
		}
		switch {
		case failures >= patient:
			if !told {
				d.log.Error("table inet pfw cannot be kept in force", "error", err)
			}
			d.faults.set(unrestored, "what the kernel enforces may not be the policy: "+err.Error(),
				"systemctl restart pfwd; the journal has what went before")
			d.status()
		case err == nil && told:
			d.log.Info("table inet pfw is in force again")
			d.faults.clear(unrestored)
			d.status()
		}
	}
}

// restore compares the table with what was put in force, and puts it in force again where it differs.
func (d *Daemon) restore(ctx context.Context) error {
	defer d.hold()()
	if d.stopping {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	differs, err := d.table.Verify(ctx)
	if err != nil || len(differs) == 0 {
		return err
	}
	now := time.Now()
	if err := d.again(ctx, now); err != nil {
		return err
	}
	d.protecting.Store(&now)
	d.tampered(differs, "while pfwd ran")
	d.status()
	return nil
}

// again compiles the policy in force for the present time and applies it. change is held.
func (d *Daemon) again(ctx context.Context, now time.Time) error {
	f := *d.force.Load()
	f.options = d.options(f.policy, now)
	f.ruleset = d.compile(f.policy, f.options)
	if err := d.apply(ctx, f.policy, f.ruleset, now); err != nil {
		return err
	}
	d.force.Store(&f)
	d.faults.clear(unscheduled)
	return nil
}
