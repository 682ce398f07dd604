package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/api"
)

// TakeCopy judges the text of a list from the net as that of a list file, and puts it in force in place of what was fetched
// before: the rules stay as they are, and so does the generation. What is not taken changes nothing.
func (d *Daemon) TakeCopy(ctx context.Context, name string, c api.Copy, text io.Reader) (api.Fetched, error) {
	select {
	case d.feeds.room <- struct{}{}:
		defer func() { <-d.feeds.room }()
	case <-ctx.Done():
		return api.Fetched{}, ctx.Err()
	}
	l, err := d.fetched(name, c.Ticket)
	if err != nil {
		return api.Fetched{}, err
	}
	fresh := d.feeds.copyPath(l) + "." + rand.Text() + freshEnd
	whole, err := d.feeds.receive(fresh, text)
	if !whole {
		// Not noted here: who has not sent the whole text is about to say why, or is gone.
		return api.Fetched{}, &api.RequestError{Err: err}
	}
	defer d.feeds.end(c.Ticket)
	v := api.Fetched{Name: name, Outcome: api.FetchChanged, Before: l.Entries, Entries: l.Entries}
	if err == nil {
		v, err = d.adoptCopy(ctx, v, c, fresh)
	}
	var refused *copyError
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, errEnding), errors.Is(err, errHurry), ctx.Err() != nil:
		return api.Fetched{}, errors.Join(err, os.Remove(fresh))
	case errors.As(err, &refused):
		v.Hint = refused.hint
	}
	if gone := os.Remove(fresh); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		d.log.Warn("copy of a list not removed", "error", gone)
	}
	v.Outcome, v.Error = api.FetchFailed, d.unfetched(l, err.Error(), v.Hint)
	return v, nil
}

// receive writes a text to a file. whole says that all of it came; an error then is of the disk.
func (f *feeds) receive(path string, text io.Reader) (whole bool, err error) {
	if err := os.MkdirAll(f.dir, 0o750); err != nil {
		return true, err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return true, err
	}
	from := &broken{Reader: text}
	_, err = io.Copy(out, from)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		return true, nil
	}
	if from.err != nil {
		return false, errors.Join(from.err, os.Remove(path))
	}
	return true, fmt.Errorf("the state directory cannot be written: %w", err)
}

// broken notes that it was the reading which failed.
type broken struct {
	io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// copyError is why a text is not taken, and what helps.
type copyError struct{ message, hint string }

func (e *copyError) Error() string { return e.message }

// adoptCopy puts a copy in force and in its place.
func (d *Daemon) adoptCopy(ctx context.Context, v api.Fetched, c api.Copy, fresh string) (api.Fetched, error) {
	done, err := d.alone(ctx)
	if err != nil {
		return v, err
	}
	defer done()
	defer d.hold()()
	if d.stopping {
		return v, errEnding
	}
	l, err := d.fetched(v.Name, c.Ticket)
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	defer context.AfterFunc(d.ending, cancel)()

	now := time.Now()
	before := d.force.Load()
	instead := map[string]string{d.feeds.copyPath(l): fresh}
	made, err := d.relisted(before.config, instead, now)
	if err == nil {
		err = d.suitsBefore(instead, now)
	}
	if err != nil {
		return v, refusal(err)
	}
	is := (&force{lists: made.Lists}).feed(v.Name)
	v.Before, v.Entries = l.Entries, is.Entries
	if !l.Feed.Missing && !c.Shrunk && is.Entries < (l.Entries+1)/2 {
		v.Entries = l.Entries
		return v, &copyError{fmt.Sprintf("it has shrunk from %d entries to %d, less than half", l.Entries, is.Entries),
			"if that is right: pfw lists refresh --accept-shrink " + v.Name}
	}
	if sameList(l, is) {
		v.Outcome = api.FetchUnchanged
	} else if err := d.relist(ctx, made, now); err != nil {
		return v, err
	}
	d.o.kept.Take(made)
	wake(d.spent)
	err = os.Rename(fresh, d.feeds.copyPath(l))
	if err == nil {
		err = syncDir(d.feeds.dir)
	}
	d.feeds.copies.Add(1)
	if err != nil {
		// In force is in force, until a restart.
		return v, fmt.Errorf("it is in force, and not saved: %w", err)
	}
	d.feeds.note(is, func(s feedState) feedState {
		s.ETag, s.LastModified = c.ETag, c.LastModified
		return s.succeeded(is, now)
	})
	if v.Outcome == api.FetchChanged {
		d.log.Info("list @"+v.Name+" is refreshed", "entries", v.Entries, "before", v.Before, "took", time.Since(now).Round(time.Millisecond))
	}
	return v, nil
}

// suitsBefore says why a copy would not do for the policy that a trial goes back to, which is to be as good as it was.
func (d *Daemon) suitsBefore(instead map[string]string, now time.Time) error {
	t := d.trial.Load()
	switch {
	case t == nil:
		return nil
	case t.before == nil:
		return &copyError{"a policy is on trial", wayOutOfTrial}
	case t.before.config.Standing == nil:
		return nil
	}
	_, err := d.relisted(t.before.config, instead, now)
	return err
}

// refusal says why a policy would not be valid with a copy. Another list's warnings are none of it.
func refusal(err error) error {
	var bad *config.Errors
	if !errors.As(err, &bad) {
		return err
	}
	all := bad.All()
	if len(all) == 0 {
		return err
	}
	if bad.ExpectationOnly() {
		return &copyError{fmt.Sprintf("with it, %s (%s:%d)", all[0].Message, filepath.Base(all[0].File), all[0].Line),
			"see whether the list is right; what rule files expect goes before it"}
	}
	return &copyError{all[0].Message, ""}
}

// relisted reads rule files again as they were read, with copies in place of those in the cache.
func (d *Daemon) relisted(c *config.Config, fresh map[string]string, now time.Time) (*config.Config, error) {
	made, err := config.Load("", config.Options{Again: c.Standing, Fresh: fresh, Cache: d.feeds.dir, Kept: d.o.kept, Control: true, Now: now})
	if err != nil {
		return nil, err
	}
	// What it was told by the disk is what it was told then.
	made.Trace = c.Trace
	return made, nil
}

// relist puts other lists in force under the same rules. change is held.
func (d *Daemon) relist(ctx context.Context, made *config.Config, now time.Time) error {
	f := *d.force.Load()
	f.policy, f.lists, f.warnings, f.config = made.Policy, made.Lists, made.Warnings, made
	f.options = d.options(f.policy, now)
	f.ruleset = d.compile(f.policy, f.options)
	loading, over := d.loading(ctx)
	if err := over(d.apply(loading, f.policy, f.ruleset, now)); err != nil {
		return err
	}
	d.force.Store(&f)
	d.faults.clear(unscheduled)
	d.warnLockout(f.policy)
	d.cut(ctx, now)
	return nil
}

// sameList tells whether two lists hold the same and were read the same.
func sameList(a, b *config.List) bool {
	if a.Entries != b.Entries || a.Skipped != b.Skipped || a.Masked != b.Masked || a.Feed.Missing != b.Feed.Missing {
		return false
	}
	for _, f := range policy.Families {
		if a.Set.Digest(f) != b.Set.Digest(f) {
			return false
		}
	}
	return true
}

// current reads the lists of a policy again where copies were replaced since it was read.
func (d *Daemon) current(l *loaded) error {
	copies := d.feeds.copies.Load()
	if l.config.Standing == nil || l.copies == copies {
		return nil
	}
	made, err := d.relisted(l.config, nil, time.Now())
	if err == nil {
		l.config, l.copies, l.same = made, copies, false
	}
	return err
}
