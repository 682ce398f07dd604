package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pfw/config"
	"pfw/daemon/api"
	"pfw/daemon/audit"
)

var errEnding = errors.New("pfwd is about to end")

// errHurry is told to who waited for a policy to come into force when everything was to be blocked at once.
var errHurry = api.NewProblem(http.StatusConflict, "given up, as everything was to be blocked at once", "do it again; "+wayOutOfPanic)

// Reload reads the rule file and puts it in force, or changes nothing. A file that is not valid is a *config.Errors,
// in which no line of a list is quoted.
func (d *Daemon) Reload(ctx context.Context) (api.Outcome, error) { return d.reload(ctx, true) }

// reload puts the rule file in force as it is on the disk.
func (d *Daemon) reload(ctx context.Context, control bool) (api.Outcome, error) {
	defer d.hold()()
	return d.replace(ctx, func() (*loaded, error) {
		if err := d.changeable(); err != nil {
			return nil, err
		}
		return d.loadAgain(control)
	})
}

// replace puts a rule file in force. change is held.
func (d *Daemon) replace(ctx context.Context, load func() (*loaded, error)) (api.Outcome, error) {
	return d.exchange(ctx, load, func(err error) { d.refused(err, "changes nothing") })
}

// exchange is the one way to another policy; refused is told why it was not taken. change is held.
func (d *Daemon) exchange(ctx context.Context, load func() (*loaded, error), refused func(error)) (api.Outcome, error) {
	if d.stopping {
		// The service manager and the log know already, and nothing is wrong with the file.
		return api.Outcome{}, errEnding
	}
	// Who asked may go away; half a change must not stay.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	defer context.AfterFunc(d.ending, cancel)()

	d.notified(d.notify.Reloading())
	defer func() {
		if d.ending.Err() == nil {
			d.notified(d.notify.Ready(d.statusText()))
		}
	}()
	began := time.Now()
	loading, over := d.loading(ctx)
	var l *loaded
	err := context.Cause(loading)
	if err == nil {
		l, err = load()
	}
	if err == nil {
		err = d.put(loading, l)
	}
	err = over(err)
	if err != nil && d.ending.Err() != nil {
		d.log.Info("reload given up, as pfwd is to stop", "error", err)
		return api.Outcome{}, errEnding
	}
	if err != nil {
		d.reloads.refused.Add(1)
		refused(err)
		return api.Outcome{}, err
	}
	d.reloads.done.Add(1)
	f := d.force.Load()
	if !f.sinks.Journal {
		// Else the entry says the same in the same place.
		d.log.Info("policy in force", append(f.attrs(), "took", time.Since(began).Round(time.Millisecond))...)
	}
	d.audit.Append(audit.Entry{EventType: audit.Reload, PFW: audit.PFW{Generation: f.generation, Reason: l.why + f.text()}})
	switch {
	case l.snapshot != nil:
		d.accepted(l.snapshot)
	case l.same:
		d.faults.clear(badFile)
		d.faults.clear(unconfirmed)
	}
	d.ledgers.save()
	d.warnLockout(f.policy)
	d.cut(ctx, time.Now())
	d.warn(ctx)
	return api.Outcome{Generation: f.generation, State: d.state(), Warnings: f.warnings}, nil
}

// loading is what something is loaded under that is to come into force: it ends where everything is to be blocked at once, which
// over makes of the error that comes of that. change is held.
func (d *Daemon) loading(ctx context.Context) (loading context.Context, over func(error) error) {
	loading, giveUp := context.WithCancelCause(ctx)
	d.giveUp.Store(&giveUp)
	if d.hurried.Load() > 0 {
		giveUp(errHurry)
	}
	return loading, func(err error) error {
		d.giveUp.Store(nil)
		defer giveUp(nil)
		if err != nil && errors.Is(context.Cause(loading), errHurry) {
			return errHurry
		}
		return err
	}
}

// accepted keeps the rule file, now that it is in force for good.
func (d *Daemon) accepted(s *config.Snapshot) {
	d.faults.clear(badFile)
	d.faults.clear(unconfirmed)
	d.saveLastGood(s)
	d.feeds.prune(d.force.Load().lists)
}

// refused tells of a rule file that was not taken.
func (d *Daemon) refused(err error, consequence string) {
	if conflict := new(api.Problem); errors.As(err, &conflict) {
		// It is not the file that is at fault.
		d.log.Warn("reload refused", "error", err)
		return
	}
	d.log.Error(d.o.Config+" is refused and "+consequence, "error", err)
	var generation uint64
	if f := d.force.Load(); f != nil {
		generation = f.generation
	}
	d.audit.Append(audit.Entry{EventType: audit.Reload, PFW: audit.PFW{
		Generation: generation, Reason: "refused: " + brief(err)}})
	remedy := "see to what it names, then pfw reload"
	if bad := new(config.Errors); errors.As(err, &bad) {
		remedy = "pfw check shows what is wrong; mend it, then pfw reload"
	}
	d.faults.set(badFile, "the rule file is refused and "+consequence+": "+brief(err), remedy)
}

// brief is an error in one line.
func brief(err error) string {
	var bad *config.Errors
	if !errors.As(err, &bad) {
		return err.Error()
	}
	all := bad.All()
	if len(all) == 0 {
		return "it is not valid"
	}
	text := all[0].String()
	if n := len(all) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

// notified logs that the service manager could not be told something.
func (d *Daemon) notified(err error) {
	if err != nil {
		d.log.Warn("service manager not told", "error", err)
	}
}

// putFirst puts the first policy in force. found says that a table was in force already.
func (d *Daemon) putFirst(ctx context.Context, l *loaded, found bool) error {
	defer d.hold()()
	var before []connection
	tracked := true
	if !found {
		before, tracked = d.openConnections(ctx)
	}
	if err := d.put(ctx, l); err != nil {
		return err
	}
	d.bans.begin(ctx)
	d.warnLockout(l.config.Policy)
	if !found {
		d.adopt(ctx, before)
	}
	if tracked {
		d.cut(ctx, time.Now())
	}
	if l.refused != nil {
		d.refused(l.refused, "the last good policy is in force instead")
	}
	if l.snapshot != nil {
		d.saveLastGood(l.snapshot)
	}
	d.ledgers.save()
	return nil
}
