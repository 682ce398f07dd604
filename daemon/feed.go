package daemon

import (
	"context"

	"pfw/daemon/audit"
)

// Recent has the newest entries, at most n, oldest first.
func (d *Daemon) Recent(n int) []audit.Entry { return d.audit.Recent(n) }

// Past calls fn with every entry logged so far that is wanted, oldest first.
func (d *Daemon) Past(ctx context.Context, q audit.Query, fn func(*audit.Entry) error) (last uint64, err error) {
	return d.audit.Past(ctx, q, fn)
}

// Follow reads what happens from now on; all includes, until ctx ends, allowed connections that are not logged.
func (d *Daemon) Follow(ctx context.Context, all bool) *audit.Subscription {
	s := d.audit.Subscribe()
	if all {
		d.readers.watch(ctx)
	}
	return s
}
