package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
)

// statusText is what `systemctl status` shows: one line that says whether this machine is protected.
func (d *Daemon) statusText() string {
	f := d.force.Load()
	if f == nil {
		return "no policy in force"
	}
	text := d.duringPanic() + d.whileTrying() + f.text() + "; since " + f.since.Format("2006-01-02 15:04:05")
	list := d.faults.list()
	for i, x := range list {
		if i == 0 {
			text += fmt.Sprintf("; %d wrong: ", len(list))
		} else {
			text += "; "
		}
		text += x.What
	}
	if d.faults.stands(unconfirmed) {
		text += "; a trial was not confirmed in time"
	}
	return text
}

// protectingSince is since when this machine has been protected without a break, nil where the policy lets in what no rule
// names.
func (d *Daemon) protectingSince(f *force) *api.Time {
	since := d.protecting.Load()
	if since == nil || f.policy.Defaults().Inbound == policy.Allow {
		return nil
	}
	return &api.Time{Time: *since}
}

// whileTrying leads the text of a policy on trial.
func (d *Daemon) whileTrying() string {
	t := d.trying()
	if t == nil {
		return ""
	}
	return "on trial until " + t.Until.Format(time.TimeOnly) + " (" + wayOutOfTrial + "): "
}

// duringPanic leads the text while everything is blocked.
func (d *Daemon) duringPanic() string {
	s := d.panicking()
	switch {
	case s == nil:
		return ""
	case s.Until == nil:
		return "PANIC: everything but loopback is blocked (" + wayOutOfPanic + "); the policy: "
	}
	return "PANIC until " + s.Until.Format(time.DateTime) + ": everything but loopback is blocked (" + wayOutOfPanic + "); the policy: "
}

// text is the policy in few words: "12 rules in force, inbound block, outbound allow".
func (f *force) text() string {
	defaults := f.policy.Defaults()
	parts := []string{fmt.Sprintf("%d rules in force", f.rules()), "inbound " + defaults.Inbound.String(), "outbound " + defaults.Outbound.String()}
	if f.rules() == 1 {
		parts[0] = "1 rule in force"
	}
	if v, hooked := defaults.Forward.Verdict(); hooked {
		parts = append(parts, "forward "+v.String())
	}
	return strings.Join(parts, ", ")
}

// status renews the text that `systemctl status` shows.
func (d *Daemon) status() { d.notified(d.notify.Status(d.statusText())) }

func (d *Daemon) state() api.State {
	switch {
	case d.alarm.Load() != nil:
		return api.Panic
	case d.trial.Load() != nil:
		return api.Trying
	case len(d.faults.list()) > 0:
		return api.Degraded
	}
	return api.OK
}

// watchSinks notices an audit log that cannot be written. A policy is in force.
func (d *Daemon) watchSinks() {
	stats := d.audit.Stats()
	for _, s := range []struct {
		fault  fault
		name   string
		err    error
		remedy string
	}{
		{fileSink, "the audit file", stats.File.Err, fileRemedy(d.force.Load().sinks.File, stats.File.Err)},
		{journalSink, "the journal", stats.Journal.Err, "systemctl status systemd-journald"},
	} {
		if s.err != nil {
			d.faults.set(s.fault, s.name+" cannot be written: "+s.err.Error(), s.remedy)
		} else {
			d.faults.clear(s.fault)
		}
	}
}

// fileRemedy is what helps where the audit file cannot be written.
func fileRemedy(file string, err error) string {
	if errors.Is(err, fs.ErrPermission) {
		// systemd-tmpfiles cannot: it changes no file of root's in a directory of somebody else's.
		return fmt.Sprintf("chown pfw: %s lets pfwd write it, if user pfw may enter the directory", file)
	}
	return "free space on its disk, and let user pfw write there"
}
