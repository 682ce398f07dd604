package daemon

import (
	"context"
	"time"

	"pfw/config/policy"
	"pfw/enforce"
)

const (
	// earlyRest keeps a machine whose interfaces come and go all the time from being looked at all the time.
	earlyRest = 50 * time.Millisecond
	// earlyAgain is when it is tried again to put in force what could not be.
	earlyAgain = 3 * time.Second
)

// compile makes the ruleset of a policy for the present time, in a panic or not.
func (d *Daemon) compile(p *policy.Policy, o enforce.Options) enforce.Ruleset {
	return enforce.Compile(d.enforced(p), o)
}

// options tells what a ruleset depends on beside the policy.
func (d *Daemon) options(p *policy.Policy, now time.Time) enforce.Options {
	o := enforce.Options{Now: now, Networks: d.bans.networks(p, now), Banned: d.bans.some(now), Resolver: d.domains.resolver}
	if d.deaf.Load() {
		return o
	}
	var err error
	if o.EndsHere, err = d.table.EndsHere(); err != nil {
		d.log.Warn("it is not known whether packets are passed on here, so none is dropped before conntrack for a rule", "error", err)
	}
	return o
}

// keepEarly has packets dropped before conntrack where that changes nothing else: that depends on whether this machine
// passes packets on, and pays once somebody is banned.
func (d *Daemon) keepEarly() error {
	d.group.Go(d.hearOfTransit)
	wait := time.After(0)
	for {
		select {
		case <-d.work.Done():
			return nil
		case <-d.surroundings:
		case <-wait:
		}
		wait = nil
		now := time.Now()
		f := d.force.Load()
		if !f.options.Places(d.options(f.policy, now)) && !d.putEarly(d.work) {
			wait = time.After(earlyAgain)
		}
		select {
		case <-d.work.Done():
			return nil
		case <-time.After(earlyRest):
		}
	}
}

// hearOfTransit wakes keepEarly when this machine may have begun or ceased to pass packets on.
func (d *Daemon) hearOfTransit() error {
	err := d.table.WatchEndsHere(d.work, func() { wake(d.surroundings) })
	if err != nil {
		d.log.Error("it is not noticed any more when packets are passed on here, so none is dropped before conntrack for a rule", "error", err)
		d.deaf.Store(true)
		wake(d.surroundings)
	}
	return nil
}

// putEarly compiles the policy anew; false where that is to be tried again.
func (d *Daemon) putEarly(ctx context.Context) (done bool) {
	defer d.hold()()
	if d.stopping {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := time.Now()
	if err := d.again(ctx, now); err != nil {
		if ctx.Err() == nil && !d.faults.stands(misplaced) {
			d.log.Error("what is dropped before conntrack is not what it should be; it is tried again", "error", err)
		}
		d.faults.set(misplaced, "packets that this machine passes on may be dropped, where they are from who is banned or listed: "+err.Error(),
			"it is tried again every few seconds; pfw reload tries now")
		return false
	}
	d.faults.clear(misplaced)
	return true
}
