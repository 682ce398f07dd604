package daemon

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pfw/config"
	"pfw/daemon/api"
	"pfw/daemon/audit"
)

// trial is a policy that is in force until it is confirmed or its time is up. It does not change.
type trial struct {
	// Text is that of the firewall.toml it would become.
	Text string `json:"text"`
	Term term   `json:"term"`
	// Found is the sum of firewall.toml as it was when the trial began.
	Found string `json:"found"`

	// snapshot is the last good policy, if it is confirmed.
	snapshot *config.Snapshot
	// before is what to go back to; nil where another process began the trial, and the last good policy is.
	before *force
}

const wayOutOfTrial = "pfw confirm keeps it, pfw revert goes back to the policy of before"

// changeable tells whether firewall.toml, and what is in force of it, may change now. Whoever relies on that holds change.
func (d *Daemon) changeable() error {
	t := d.trial.Load()
	if t == nil {
		return nil
	}
	return api.NewProblem(http.StatusConflict, "a policy is on trial until "+t.Term.end(d.now()).Format(time.TimeOnly), wayOutOfTrial)
}

// Try puts a text in force as if it were firewall.toml in its place, until it is confirmed or its time is up.
func (d *Daemon) Try(ctx context.Context, who api.Caller, ask api.Trial) (api.Outcome, error) {
	session := d.sessionOf(who)
	defer d.hold()()
	var t *trial
	var own []config.Problem
	o, err := d.exchange(ctx, func() (*loaded, error) {
		if err := d.changeable(); err != nil {
			return nil, err
		}
		if d.alarm.Load() != nil {
			return nil, api.NewProblem(http.StatusConflict, "everything is blocked, so nothing can be tried", wayOutOfPanic)
		}
		l, err := d.read(config.Options{Now: time.Now(), Text: &ask.Text, Control: true})
		if err != nil {
			return nil, err
		}
		if own, err = d.mayTry(l, session, ask); err != nil {
			return nil, err
		}
		t = &trial{Text: ask.Text, Term: d.now().term(ask.For), Found: sumOf(d.o.Config), snapshot: l.snapshot, before: d.force.Load()}
		// Before it is in force, as from then on a crash must find it.
		if err := d.saveTrial(t); err != nil {
			t = nil
			return nil, err
		}
		l.snapshot, l.trial = nil, t
		l.why = fmt.Sprintf("on trial for %s: ", ask.For)
		return l, nil
	}, func(err error) {
		d.log.Warn("a policy to try is refused and changes nothing", "error", brief(err))
		d.audit.Append(d.reloadEntry("not tried: " + brief(err)))
	})
	if err != nil {
		if t != nil {
			d.forgetTrial()
		}
		return api.Outcome{}, err
	}
	d.faults.clear(unconfirmed)
	end := t.Term.end(d.now())
	d.log.Warn("a policy is on trial; unless it is confirmed, the policy of before is in force again in time", "until", end.Format(time.TimeOnly), "uid", who.UID)
	o.Until = &api.Time{Time: end}
	if what, others := d.faults.what(lockout); others && session == nil {
		// Whoever asks may be one of them: the ancestors of a program in tmux do not lead to a session.
		own = append(own, d.remark(what, "the policy of before is in force again in time, or with pfw revert"))
	}
	o.Warnings = slices.Concat(own, o.Warnings)
	return o, nil
}

// mayTry refuses what the person who asks would be sorry for, unless it is forced; what is left to say are warnings.
func (d *Daemon) mayTry(l *loaded, session *session, ask api.Trial) (warnings []config.Problem, err error) {
	if why := session.lockedOutBy(l.config.Policy, time.Now()); why != "" {
		if !ask.Force {
			return nil, api.NewProblem(http.StatusConflict, why, "--force tries it all the same")
		}
		warnings = append(warnings, d.remark(why, "you have until the time is up, and then the policy of before is in force again"))
	}
	if sumOf(d.o.Config) == sumOfText(ask.Text) {
		warnings = append(warnings, d.remark("this is firewall.toml as it stands: going back leaves the file as it is, and the next start or reload reads it",
			"try a copy, and let pfw confirm install it"))
	}
	if err := within(filepath.Dir(d.o.Config), d.o.Config, func(*os.Root, string) error { return nil }); err != nil {
		warnings = append(warnings, d.remark("pfw confirm could not install this: "+err.Error(), "put it there by hand, then pfw revert and pfw reload"))
	}
	return warnings, nil
}

// remark is a warning about the rule file as a whole.
func (d *Daemon) remark(message, hint string) config.Problem {
	return config.Problem{File: d.o.Config, Line: 1, Column: 1, Message: message, Hint: hint}
}

func (d *Daemon) reloadEntry(reason string) audit.Entry {
	return audit.Entry{EventType: audit.Reload, PFW: audit.PFW{Generation: d.force.Load().generation, Reason: reason}}
}

func noTrial() error {
	return api.NewProblem(http.StatusConflict, "no policy is on trial", "pfw try FILE begins a trial; pfw status tells whether one was not confirmed in time")
}

// Confirm keeps what is on trial: it is installed as firewall.toml, and the last good policy.
func (d *Daemon) Confirm(context.Context) (api.Outcome, error) {
	defer d.hold()()
	t := d.trial.Load()
	switch {
	case d.stopping:
		return api.Outcome{}, errEnding
	case t == nil:
		return api.Outcome{}, noTrial()
	}
	var own []config.Problem
	if sum := sumOf(d.o.Config); sum != t.Found && sum != sumOfText(t.Text) {
		own = append(own, d.remark("it was edited while the trial ran, and is replaced by what was tried", "what it said is in "+d.o.Config+"~"))
	}
	// A crash before the file is installed leaves the policy of before, one after it the new one. The other way round it
	// would leave the new file, and a trial that goes back from it.
	if err := removeFile(d.trialPath()); err != nil {
		return api.Outcome{}, fmt.Errorf("end trial: %w", err)
	}
	if err := install(filepath.Dir(d.o.Config), d.o.Config, []byte(t.Text)); err != nil {
		if again := d.saveTrial(t); again != nil {
			d.log.Warn("the trial goes on, and would not outlive a restart", "error", again)
		}
		return api.Outcome{}, err
	}
	d.trial.Store(nil)
	d.accepted(t.snapshot)
	f := d.force.Load()
	d.log.Info("the policy on trial is confirmed and installed", "file", d.o.Config)
	d.audit.Append(d.reloadEntry("confirmed: " + f.text()))
	for _, w := range own {
		d.log.Warn(w.String())
	}
	d.status()
	return api.Outcome{Generation: f.generation, State: d.state(), Warnings: slices.Concat(own, f.warnings)}, nil
}

// Revert goes back to the policy of before the trial.
func (d *Daemon) Revert(ctx context.Context) (api.Outcome, error) {
	defer d.hold()()
	if d.trial.Load() == nil && !d.stopping {
		return api.Outcome{}, noTrial()
	}
	return d.goBack(ctx, "reverted: ")
}

// goBack ends a trial for the policy of before. change is held.
func (d *Daemon) goBack(ctx context.Context, why string) (api.Outcome, error) {
	o, err := d.exchange(ctx, func() (*loaded, error) {
		l, err := d.before()
		if err != nil {
			return nil, err
		}
		l.why = why
		return l, nil
	}, func(err error) {
		if !d.faults.stands(unreverted) {
			d.log.Error("the policy on trial stays in force, as the one of before cannot be: it is tried again", "error", err)
		}
		d.faults.set(unreverted, "the policy of before the trial cannot be put in force again: "+brief(err),
			"it is tried again every few seconds; pfw confirm keeps the policy on trial")
	})
	if err != nil {
		return api.Outcome{}, err
	}
	d.faults.clear(unreverted)
	d.forgetTrial()
	return o, nil
}

// before is the policy that was in force before the trial.
func (d *Daemon) before() (*loaded, error) {
	if f := d.trial.Load().before; f != nil {
		return &loaded{config: f.config, read: f.read}, nil
	}
	l, bad := loadLastGood(d.o.StateDir)
	if bad == nil {
		return l, nil
	}
	// Nothing that was in force is left, but what a start would take.
	d.log.Warn("last good policy not read; the rule file is taken", "error", bad)
	return d.load(false)
}
