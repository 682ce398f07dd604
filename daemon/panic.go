package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/audit"
)

// panicFile is the file in the state directory that says that everything is blocked.
const panicFile = "panic.json"

func panicPath(stateDir string) string { return filepath.Join(stateDir, panicFile) }

const wayOutOfPanic = "pfw panic off returns to the policy"

// alarm is a panic that is on. It does not change.
type alarm struct {
	Since time.Time `json:"since"`
	// Term is nil where it does not end by itself.
	Term *term `json:"term,omitempty"`
}

// enforced is the policy as the kernel is to have it now.
func (d *Daemon) enforced(p *policy.Policy) *policy.Policy {
	if d.alarm.Load() != nil {
		return p.InPanic()
	}
	return p
}

// Panic blocks everything but loopback, or ends that.
func (d *Daemon) Panic(ctx context.Context, who api.Caller, ask api.Alarm) (api.Outcome, error) {
	if ask.On && !ask.Force && ask.For == 0 {
		if s := d.sessionOf(who); s != nil {
			return api.Outcome{}, api.NewProblem(http.StatusConflict,
				fmt.Sprintf("you are logged in over ssh from %s, and would be cut off for good", s.socket.Remote.Addr()),
				"--for 5m ends it by itself; --force does it all the same")
		}
	}
	if ask.On && d.alarm.Load() == nil {
		// A big list takes the kernel seconds, and several may stand in line.
		d.hurried.Add(1)
		defer d.hurried.Add(-1)
		if giveUp := d.giveUp.Load(); giveUp != nil {
			(*giveUp)(errHurry)
		}
	}
	defer d.hold()()
	var next *alarm
	reason := "off: the policy is in force again"
	if ask.On {
		now := d.now()
		next = &alarm{Since: now.wall}
		if before := d.alarm.Load(); before != nil {
			next.Since = before.Since
		}
		if ask.For > 0 {
			t := now.term(ask.For)
			next.Term = &t
		}
		reason = "on: everything but loopback is blocked"
	}
	if err := d.sound(ctx, next, reason, "uid", who.UID); err != nil {
		return api.Outcome{}, err
	}
	f := d.force.Load()
	o := api.Outcome{Generation: f.generation, State: d.state(), Warnings: f.warnings}
	if s := d.panicking(); s != nil {
		o.Until = s.Until
	}
	return o, nil
}

// sound blocks everything, or ends that where next is nil; the log has more in attrs. change is held.
func (d *Daemon) sound(ctx context.Context, next *alarm, reason string, attrs ...any) error {
	if d.stopping {
		return errEnding
	}
	before := d.alarm.Load()
	if before == nil && next == nil {
		return nil
	}
	// Who asked may go away, and is likely to: their connection may be one of those that are blocked now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	// It must not wait for the disk, so it is saved when it is in force: a crash in between is answered to nobody.
	d.alarm.Store(next)
	if (before == nil) != (next == nil) {
		if err := d.again(ctx, time.Now()); err != nil {
			d.alarm.Store(before)
			return err
		}
	}
	wake(d.dated)
	d.saveAlarm(next)
	e := audit.Entry{EventType: audit.Panic, PFW: audit.PFW{Reason: reason}}
	if s := d.panicking(); s != nil && s.Until != nil {
		e.PFW.Until = s.Until.Time
	}
	d.audit.Append(e)
	d.log.Warn("panic "+reason, append(d.untilOfPanic(), attrs...)...)
	d.status()
	return nil
}

// untilOfPanic is for the log: when the panic ends by itself.
func (d *Daemon) untilOfPanic() []any {
	if s := d.panicking(); s != nil && s.Until != nil {
		return []any{"until", s.Until.Format(time.DateTime)}
	}
	return nil
}

// saveAlarm makes a panic outlive pfwd and the machine, or not do so any more.
func (d *Daemon) saveAlarm(a *alarm) {
	var err error
	var what string
	if a == nil {
		err = removeFile(panicPath(d.o.StateDir))
		what = "the panic is over, and would be on again after a restart of pfwd"
	} else {
		err = saveJSON(panicPath(d.o.StateDir), a)
		what = "the panic would be over after a restart of pfwd"
	}
	if err == nil {
		d.faults.clear(unsavedPanic)
		return
	}
	d.log.Error(what, "error", err)
	d.faults.set(unsavedPanic, what+": "+err.Error(), "free space on the disk, and let user pfw write to "+d.o.StateDir+"; then pfw panic again")
}

// resumeAlarm takes up a panic that an earlier process began. It must be known before anything is put in force.
func (d *Daemon) resumeAlarm() {
	text, err := os.ReadFile(panicPath(d.o.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	now := d.now()
	a := &alarm{}
	if err == nil {
		err = json.Unmarshal(text, a)
	}
	if err == nil && a.Since.IsZero() {
		err = errors.New("it says nothing")
	}
	if err != nil {
		// That it was on is for sure. To go on costs a person a command; not to, perhaps what they feared.
		d.log.Error("panic is on; for how long is not known", "error", err)
		a = &alarm{Since: now.wall}
	}
	if a.Term != nil && a.Term.Boot != now.boot {
		// The rest of it, by the clock of this run of the kernel.
		t := now.term(a.Term.left(now))
		a.Term = &t
		d.saveAlarm(a)
	}
	d.alarm.Store(a)
	d.log.Warn("panic is still on: everything but loopback is blocked; "+wayOutOfPanic, d.untilOfPanic()...)
}

// endPanicInTime ends a panic whose time is up; false where that is to be tried again.
func (d *Daemon) endPanicInTime() bool {
	defer d.hold()()
	a := d.alarm.Load()
	if d.stopping || a == nil || a.Term == nil || a.Term.left(d.now()) > 0 {
		return true
	}
	if err := d.sound(d.work, nil, "off by time: the policy is in force again"); err != nil {
		d.log.Error("the panic is not ended, though its time is up: it is tried again", "error", err)
		return false
	}
	return true
}

// panicking tells of the panic that is on, nil where there is none.
func (d *Daemon) panicking() *api.PanicStatus {
	a := d.alarm.Load()
	if a == nil {
		return nil
	}
	s := &api.PanicStatus{Since: api.Time{Time: a.Since}}
	if a.Term != nil {
		s.Until = &api.Time{Time: a.Term.end(d.now())}
	}
	return s
}
