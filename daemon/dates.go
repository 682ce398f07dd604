package daemon

import (
	"time"

	"pfw/daemon/api"
)

// keepDates ends in time what somebody gave a time to.
func (d *Daemon) keepDates() error {
	failed := false
	for {
		wait := d.untilDate()
		if failed {
			wait = time.After(clockTime)
		}
		select {
		case <-d.work.Done():
			return nil
		case <-d.dated:
			continue
		case <-wait:
		}
		tried, panicked := d.endTrialInTime(), d.endPanicInTime()
		failed = !tried || !panicked
	}
}

// untilDate fires when the next time may be up; never where there is none.
func (d *Daemon) untilDate() <-chan time.Time {
	now := d.now()
	// Timers stand still while the machine sleeps, so they are not waited for for long.
	wait, any := clockTime, false
	if t := d.trial.Load(); t != nil {
		wait, any = min(wait, t.Term.left(now)), true
	}
	if a := d.alarm.Load(); a != nil && a.Term != nil {
		wait, any = min(wait, a.Term.left(now)), true
	}
	if !any {
		return nil
	}
	return time.After(max(0, wait))
}

// endTrialInTime goes back from a trial whose time is up; false where that is to be tried again.
func (d *Daemon) endTrialInTime() bool {
	defer d.hold()()
	t := d.trial.Load()
	if d.stopping || t == nil || t.Term.left(d.now()) > 0 {
		return true
	}
	// First, so that it is known wherever the policy of before shows again.
	d.faults.hold(unconfirmed, tamperShown, "a policy on trial was not confirmed in time, and the policy of before is in force again",
		"pfw try tries it again; pfw confirm, in time, keeps it")
	if _, err := d.goBack(d.work, "not confirmed in time, so back to: "); err != nil {
		d.faults.clear(unconfirmed)
		return false
	}
	d.log.Warn("the policy on trial was not confirmed in time; the policy of before is in force again")
	return true
}

// trying tells of the trial that is under way, nil where there is none.
func (d *Daemon) trying() *api.TryingStatus {
	t := d.trial.Load()
	if t == nil {
		return nil
	}
	return &api.TryingStatus{File: d.o.Config, Until: api.Time{Time: t.Term.end(d.now())}}
}
