package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/enforce"
)

// loaded is a rule file that was found good.
type loaded struct {
	config *config.Config
	// read is when the reading of it began.
	read time.Time
	// snapshot is what is to be the last good policy, nil where that is not to change. It is let go of once it is saved:
	// it holds the contents of all lists.
	snapshot *config.Snapshot
	// same says that it is the policy in force, whose files and lists are as they were.
	same bool
	// trial is what ends in time unless it is confirmed, nil where this is in force for good.
	trial *trial
	// why leads the text of the log that tells of it, "" of a rule file that was read.
	why string
	// refused is why firewall.toml was not taken and the last good policy was, at a start only.
	refused error
	// copies counts the copies of lists from the net that had been replaced when it was read.
	copies uint64
	// over is why a trial that an earlier process began is not gone on with, at a start only.
	over string
}

// force is a policy in force. It does not change.
type force struct {
	policy *policy.Policy
	lists  []config.List
	// dates are when the files of lists were changed last, by their paths.
	dates      map[string]time.Time
	sinks      config.Sinks
	warnings   []config.Problem
	ruleset    enforce.Ruleset
	generation uint64
	since      time.Time
	// config is all that was read, but for the snapshot, and read is when that began.
	config *config.Config
	read   time.Time
	// options is what the ruleset was compiled for.
	options enforce.Options
}

func (f *force) rules() (n int) {
	for _, r := range f.policy.Rules() {
		if !r.Disabled {
			n++
		}
	}
	return n
}

// attrs describe the policy in the log.
func (f *force) attrs() []any {
	d := f.policy.Defaults()
	return []any{"rules", f.rules(), "inbound", d.Inbound, "outbound", d.Outbound, "forward", d.Forward, "generation", f.generation}
}

// load reads the rule file from the disk. control says that the outcome goes over the control socket.
func (d *Daemon) load(control bool) (*loaded, error) {
	return d.read(config.Options{Now: time.Now(), Control: control})
}

// read is loadFile for what may come into force later: it notes which lists from the net it has seen.
func (d *Daemon) read(o config.Options) (*loaded, error) {
	copies := d.feeds.copies.Load()
	o.Kept, o.Cache = d.o.kept, d.feeds.dir
	l, err := loadFile(d.o.Config, o)
	if err == nil {
		l.copies = copies
	}
	return l, err
}

// loadAgain reads the rule file from the disk, unless the policy in force is what it would give.
func (d *Daemon) loadAgain(control bool) (*loaded, error) {
	if f := d.force.Load(); f.current(time.Now()) && d.savedLastGood() {
		return &loaded{config: f.config, read: f.read, same: true, copies: d.feeds.copies.Load()}, nil
	}
	return d.load(control)
}

// current tells whether the rule file, with all that it names, still gives the policy.
func (f *force) current(now time.Time) bool {
	from, to := f.read.Round(0), now.Round(0)
	if to.Before(from) {
		return false // the clock was set back, and a rule that was past its until may not be any more
	}
	return len(f.policy.Edges(from, to)) == 0 && f.config.Trace.Same(config.Regular())
}

func loadFile(path string, o config.Options) (*loaded, error) {
	c, err := config.Load(path, o)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			return nil, fmt.Errorf("read rule file: %w", err)
		}
		return nil, err
	}
	l := &loaded{config: c, read: o.Now, snapshot: c.Snapshot}
	c.Snapshot = nil
	return l, nil
}

// sinks directs the audit log to where a rule file wants it.
func (d *Daemon) sinks(s config.Sinks) error {
	undo := d.ledgers.sinks(s.File != "")
	if err := d.audit.Reconfigure(audit.SinkOptions(s)); err != nil {
		undo()
		return fmt.Errorf("open audit log: %w", err)
	}
	return nil
}

// put brings a policy into force, or leaves everything as it is. change is held.
func (d *Daemon) put(ctx context.Context, l *loaded) error {
	now := time.Now()
	if err := d.current(l); err != nil {
		return err
	}
	p := l.config.Policy
	before := d.force.Load()
	options := d.options(p, now)
	var ruleset enforce.Ruleset
	if l.same && before.options.Places(options) {
		ruleset, options = before.ruleset, before.options
	} else {
		d.domains.prepare(p)
		ruleset = d.compile(p, options)
	}
	// The readers come first, so that no packet which the new policy logs is missed.
	opened, err := d.readers.open(p)
	if err != nil {
		return err
	}
	answers, err := d.domains.open(p)
	closeOpened := func() {
		d.readers.close(opened)
		d.domains.close(answers)
	}
	if err != nil {
		closeOpened()
		return err
	}
	if before != nil {
		if err := d.sinks(l.config.Sinks); err != nil {
			closeOpened()
			return err
		}
	}
	if err := d.apply(ctx, p, ruleset, now); err != nil {
		closeOpened()
		if before != nil {
			err = errors.Join(err, d.sinks(before.sinks))
		}
		return err
	}
	d.faults.clear(unrestored)
	d.faults.clear(unscheduled)
	d.faults.clear(misplaced)
	d.readers.retire(p)
	d.domains.retire(p)
	d.o.kept.Take(l.config)
	d.trial.Store(l.trial)
	generation := d.nextGeneration()
	d.force.Store(&force{
		policy: p, lists: l.config.Lists, dates: datesOf(l), sinks: l.config.Sinks, warnings: l.config.Warnings, ruleset: ruleset,
		generation: generation, since: now, config: l.config, read: l.read, options: options,
	})
	if before == nil || before.policy.Defaults().Inbound == policy.Allow {
		d.protecting.Store(&now)
	}
	d.feeds.judge(d.force.Load(), now)
	if !l.same {
		wake(d.spent)
	}
	wake(d.rescheduled)
	wake(d.dated)
	return nil
}

// wake has a task look again.
func wake(task chan struct{}) {
	select {
	case task <- struct{}{}:
	default: // it is about to look anyway
	}
}

// apply puts a ruleset in force and moves the accounts with it.
func (d *Daemon) apply(ctx context.Context, p *policy.Policy, r enforce.Ruleset, now time.Time) error {
	// Nobody is to look who is banned between a set that is made anew and the bans that are put into it.
	d.bans.change.Lock()
	defer d.bans.change.Unlock()
	// And what is learned meanwhile goes into the sets of before or of after.
	d.domains.change.Lock()
	defer d.domains.change.Unlock()
	d.counting.Lock()
	defer d.counting.Unlock()
	applied, err := d.table.Apply(ctx, r)
	if err != nil {
		return fmt.Errorf("put the policy in force: %w", err)
	}
	d.bans.inForce(ctx, p, applied)
	d.accounts.inForce(now, p, readings(applied.Retired))
	d.domains.inForce(ctx, p)
	return nil
}
