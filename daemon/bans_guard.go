package daemon

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"pfw/daemon/procs"
	"pfw/enforce"
)

// pardonTime is for how long the kernel bans nobody again whose ban was taken back: each takes two entries of the log.
const pardonTime = time.Minute

// keepPeers looks at the bans that the kernel makes, as soon as they are known: one of somebody who is logged in is taken back,
// and what is open with the others ends.
func (d *Daemon) keepPeers() error {
	var next time.Time // from when on it may cut again
	for {
		select {
		case <-d.work.Done():
			return nil
		case <-d.bans.come:
		}
		d.cutting.Lock()
		d.sparePeers(d.work)
		d.cutting.Unlock()
		// As in keepBans, which does it later where this does not.
		if began := time.Now(); began.After(next) {
			d.cutBanned(d.work)
			d.bans.keep()
			next = time.Now().Add(20 * time.Since(began))
		}
	}
}

// sparePeers takes back the bans that the kernel made of peers of open ssh sessions. cutting is held: their connections must not
// be cut before.
func (d *Daemon) sparePeers(ctx context.Context) {
	b := d.bans
	b.mu.Lock()
	fresh := maps.Clone(b.unguarded)
	clear(b.unguarded)
	b.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	peers, err := procs.SSHPeersAmong(func(a netip.Addr) bool { return fresh[enforce.Remote(a)] })
	if err != nil {
		d.log.Warn("it is not known whether somebody was banned who is logged in by ssh", "error", err)
		return
	}
	spared := map[netip.Prefix]netip.Addr{}
	for _, s := range peers {
		spared[enforce.Remote(s.Remote.Addr())] = s.Remote.Addr()
	}
	if len(spared) == 0 {
		return
	}
	b.change.Lock()
	defer b.change.Unlock()
	if b.ended {
		return
	}
	if err := d.table.Pardon(ctx, slices.Collect(maps.Keys(spared)), pardonTime); err != nil {
		d.log.Error("somebody is banned who is logged in by ssh", "error", err)
		return
	}
	for remote, peer := range spared {
		if x, ok := b.get(remote); ok {
			b.finished(remote, x, fmt.Sprintf("somebody is logged in by ssh from %s, whom only pfw ban --force bans", peer))
		}
	}
	b.save()
}

// keep saves the bans.
func (b *bans) keep() {
	b.change.Lock()
	defer b.change.Unlock()
	if !b.ended {
		b.save()
	}
}
