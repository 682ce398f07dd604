package daemon

import (
	"context"
	"maps"
	"net/netip"
	"time"

	"pfw/enforce"
)

const (
	// banTime is how often the ends of bans are looked for: an entry tells of one within five seconds.
	banTime = 2 * time.Second
	// banSlack is how far the end of a ban may be from where it was before it counts as moved: reading sixty thousand of them
	// takes the better part of a second.
	banSlack = 3 * time.Second
	// adopted is the reason of a ban that this daemon finds in the kernel and knows nothing of.
	adopted = "in the kernel"
)

// keepBans notices bans that begin and end in the kernel, and cuts what is open with the banned.
func (d *Daemon) keepBans() error {
	ticker := time.NewTicker(banTime)
	defer ticker.Stop()
	failed := false
	var next time.Time // from when on it may cut again
	last := d.now()
	for {
		select {
		case <-d.work.Done():
			return nil
		case <-ticker.C:
		}
		last = d.watchClock(last, d.now())
		d.endNetworks(d.work)
		err := d.bans.tick(d.work)
		// The table may be away for a moment, which the task that keeps it tells of.
		if err != nil && failed && d.work.Err() == nil {
			d.log.Warn("bans not read from the kernel", "error", err)
		}
		failed = err != nil
		if began := time.Now(); began.After(next) {
			d.cutBanned(d.work)
			// A look at a million connections takes long; where bans come all the time it is to take a small part of it.
			next = time.Now().Add(20 * time.Since(began))
		}
	}
}

// tick looks at what is due, and now and then at all of it.
func (b *bans) tick(ctx context.Context) error {
	b.change.Lock()
	defer b.change.Unlock()
	now := time.Now()
	if b.ended {
		return nil
	}
	if now.Before(b.next) && !clockSet(b.looked, now) {
		return b.due(ctx, now)
	}
	return b.look(ctx, now)
}

// due looks at the bans whose time is over. change is held.
func (b *bans) due(ctx context.Context, now time.Time) error {
	for remote, x := range b.over(now) {
		if isNetwork(remote) {
			continue // which takes another policy: see endNetworks
		}
		k, still, err := b.d.table.Banned(ctx, remote)
		if err != nil {
			return err
		}
		if still {
			b.moved(remote, x, k, now)
		} else {
			b.finished(remote, x, "its time is over")
		}
	}
	b.looked = now
	b.save()
	return nil
}

// look compares all that the kernel holds with what is known. change is held.
//
// Where the wall clock was set or the machine slept, the kernel's ends are moved to where the clock has them: it counts the
// time that it runs. Else an end that is elsewhere is where somebody put it.
func (b *bans) look(ctx context.Context, now time.Time) error {
	if b.empty {
		if err := b.refill(ctx); err != nil {
			return err
		}
	}
	if b.remade {
		if err := b.complete(ctx); err != nil {
			return err
		}
		b.remade = false
	}
	list, err := b.d.table.Bans(ctx)
	if err != nil {
		return err
	}
	took := time.Since(now)
	gone := b.list()
	maps.DeleteFunc(gone, func(remote netip.Prefix, _ ban) bool { return isNetwork(remote) })
	if !b.looked.IsZero() && clockSet(b.looked, now) {
		if list, err = b.reset(ctx, list, now); err != nil {
			return err
		}
	}
	var strange []enforce.Ban
	for _, k := range list {
		if x, known := gone[k.Remote]; known {
			b.moved(k.Remote, x, k, now)
		} else {
			strange = append(strange, k)
		}
		delete(gone, k.Remote)
	}
	b.adopt(ctx, strange, now)
	for remote, x := range gone {
		if x.over(now.Add(banSlack)) {
			b.finished(remote, x, "its time is over")
			continue
		}
		_, still, err := b.d.table.Banned(ctx, remote)
		if err != nil {
			return err
		}
		if !still {
			b.finished(remote, x, "the kernel does not have it any more")
		}
	}
	if err := b.spare(ctx); err != nil {
		return err
	}
	if b.most(now) < int(b.policy.Bans().Size) {
		b.d.faults.clear(bansFull)
	}
	b.save()
	// A look at a full set takes long; it is to take a small part of the time.
	b.looked, b.next = now, now.Add(max(banTime, 20*took))
	return nil
}

// reset moves the ends of bans that the kernel has to where the wall clock has them, and gives what it has then.
func (b *bans) reset(ctx context.Context, list []enforce.Ban, now time.Time) ([]enforce.Ban, error) {
	var stay, late []enforce.Ban
	var over []netip.Prefix
	for _, k := range list {
		x, known := b.get(k.Remote)
		if known && x.over(now) {
			over = append(over, k.Remote)
			continue
		}
		if known && moved(x.left(now), k.Left) {
			k.Left = x.left(now)
			late = append(late, k)
		}
		stay = append(stay, k)
	}
	if err := b.d.table.Unban(ctx, over); err != nil {
		return nil, err
	}
	return stay, b.d.table.Ban(ctx, late)
}

// moved takes the end of a ban from the kernel, where it is another.
func (b *bans) moved(remote netip.Prefix, x ban, k enforce.Ban, now time.Time) {
	if moved(x.left(now), k.Left) {
		x.Until = until(now, k.Left)
		b.put(remote, x)
	}
}

// moved tells whether two times left are of different ends; 0 is no end.
func moved(a, b time.Duration) bool { return (a == 0) != (b == 0) || (a-b).Abs() > banSlack }

func until(now time.Time, left time.Duration) time.Time {
	if left == 0 {
		return time.Time{}
	}
	return now.Add(left).Round(0).UTC().Truncate(time.Microsecond)
}
