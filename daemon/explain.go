package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/audit"
)

// Explain judges a packet by the policy in force.
func (d *Daemon) Explain(ctx context.Context, packet string) (api.Explain, error) {
	v, err := api.ExplainPacket(d.enforced(d.force.Load().policy), packet, config.Disk(), time.Now(), d.live())
	return d.foreign.told(ctx, v), err
}

// ExplainEntry tells of the packet of an entry of the log.
func (d *Daemon) ExplainEntry(ctx context.Context, seq uint64) (api.Explain, error) {
	e, err := d.entry(ctx, seq)
	if err != nil {
		return api.Explain{}, err
	}
	v, err := api.ExplainEntry(d.enforced(d.force.Load().policy), e, time.Now(), d.live())
	return d.foreign.told(ctx, v), err
}

// live is what is known beside the policy.
func (d *Daemon) live() api.Live { return api.Live{Ban: d.banOf, Names: d.domains.book} }

// banOf finds the ban that a packet meets at its time.
func (d *Daemon) banOf(f *policy.Flow) (api.Ban, bool) {
	at, ok := f.Time.Get()
	if !ok {
		at = time.Now()
	}
	remote, x, ok := d.bans.of(f, at)
	return x.answer(remote), ok
}

// everything is more entries than are kept in memory.
const everything = 1 << 20

// astray is how far behind entries with higher numbers one may stand in a file: what waits to be written, more or less.
const astray = 1 << 16

var errEnough = errors.New("enough is read")

// entry finds an entry of the log: among the newest, else in the files.
func (d *Daemon) entry(ctx context.Context, seq uint64) (found audit.Entry, err error) {
	recent := d.audit.Recent(everything)
	for _, e := range recent {
		if e.Seq == seq {
			return e, nil
		}
	}
	ok := false
	last, err := d.audit.Past(ctx, audit.Query{After: max(seq, 1) - 1}, func(e *audit.Entry) error {
		switch {
		case e.Seq == seq:
			found, ok = *e, true
			return errEnough
		case e.Seq > seq+astray:
			return errEnough
		}
		return nil
	})
	switch {
	case ok:
		return found, nil
	case errors.Is(err, audit.ErrNoFile):
		return found, api.NewProblem(http.StatusNotFound, fmt.Sprintf("entry %d is not among the newest", seq), "others are not kept, as [log] names no file")
	case err != nil && !errors.Is(err, errEnough):
		return found, fmt.Errorf("read audit log: %w", err)
	case seq > last:
		return found, api.NewProblem(http.StatusNotFound, fmt.Sprintf("there is no entry %d yet; the newest is %d", seq, last), "pfw log --json shows entries with their seq")
	}
	return found, api.NewProblem(http.StatusNotFound, fmt.Sprintf("the log has no entry %d", seq), "pfw log --json shows entries with their seq")
}
