package daemon

import (
	"context"
	"time"

	"pfw/config/policy"
)

const (
	// horizon is how far ahead an edge is looked for. The ruleset is compiled anew as often, so that the times that are
	// written out in it do not run out.
	horizon = 12 * time.Hour
	// clockTime is how often the clock is looked at where the policy asks for it: it may be set, and timers stand still
	// while the machine sleeps.
	clockTime = 3 * time.Second
	// jump is how far the wall clock may go astray from the time that passed before it counts as set.
	jump = 2 * time.Second
)

// keepSchedules judges open connections at the edges of schedules, and keeps the ruleset right over changes of the clock.
func (d *Daemon) keepSchedules() error {
	looked, failed := time.Now(), false
	for {
		wait := d.untilEdge(looked)
		if failed {
			wait = time.After(clockTime)
		}
		select {
		case <-d.work.Done():
			return nil
		case <-d.rescheduled:
			looked, failed = time.Now(), false
			continue
		case <-wait:
		}
		now := time.Now()
		set := clockSet(looked, now)
		f := d.force.Load()
		edge := len(f.policy.Edges(looked.Round(0), now.Round(0))) > 0
		stale := now.Sub(f.options.Now) >= horizon
		if (set || edge || stale) && !d.reschedule(d.work, now, set && !failed) {
			failed = true // and seen as it was the next time
			continue
		}
		looked, failed = now, false
	}
}

// untilEdge fires when the policy is to be looked at; never where it does not ask for the time.
func (d *Daemon) untilEdge(after time.Time) <-chan time.Time {
	p := d.force.Load().policy
	if !timed(p) {
		return nil
	}
	wait := clockTime
	if edges := p.Edges(after.Round(0), after.Add(horizon).Round(0)); len(edges) > 0 {
		// A moment later, as the kernel's clock and this one are read one after the other.
		wait = min(wait, max(0, time.Until(edges[0]))+10*time.Millisecond)
	}
	return time.After(wait)
}

// clockSet tells whether the wall clock did not go on as time did between two looks at it: it was set, or the machine slept.
func clockSet(before, now time.Time) bool {
	// Sub of two readings with a monotonic clock tells the time that passed; without, what the wall clock says.
	return (now.Round(0).Sub(before.Round(0)) - now.Sub(before)).Abs() > jump
}

func timed(p *policy.Policy) bool {
	for _, r := range p.Rules() {
		if !r.Disabled && (r.Schedule != nil || !r.Until.IsZero()) {
			return true
		}
	}
	return false
}

// reschedule writes the schedules out for the time that it is now; false where that is to be tried again. told says that
// the log is to have that the clock was set.
func (d *Daemon) reschedule(ctx context.Context, now time.Time, told bool) (done bool) {
	defer d.hold()()
	if d.stopping {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if told {
		d.log.Info("the clock was set; schedules are read by it anew")
	}
	if err := d.again(ctx, now); err != nil {
		if !d.faults.stands(unscheduled) {
			d.log.Error("schedules not brought up to date; it is tried again", "error", err)
		}
		d.faults.set(unscheduled, "rules with schedule or until may not match the time: "+err.Error(), "it is tried again every few seconds; the journal has what went before")
		return false
	}
	d.cut(ctx, now)
	return true
}
