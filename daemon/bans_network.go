package daemon

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/enforce"
)

// mostNetworks bounds the networks that are banned: they are few, as people ban them.
const mostNetworks = 256

// isNetwork tells the ban of a network from that of one remote.
func isNetwork(remote netip.Prefix) bool { return remote != enforce.Remote(remote.Addr()) }

// bannable tells whether something can be the remote of a ban: one that the kernel's sets hold, or a network.
func bannable(remote netip.Prefix) bool {
	return remote.IsValid() && !remote.Addr().Is4In6() && remote == remote.Masked() && remote.Bits() <= enforce.Remote(remote.Addr()).Bits() &&
		!(isNetwork(remote) && policy.IsNobodys(remote))
}

// networks are those that are banned while a policy is in force; nil where none is.
func (b *bans) networks(p *policy.Policy, now time.Time) *policy.AddressSet {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list policy.AddressBuilder
	none := true
	for remote := range b.nets {
		if b.all[remote].over(now) || p.NeverBans(remote) {
			continue
		}
		none = false
		if err := list.AddPrefix(remote); err != nil {
			panic(err) // it is bannable
		}
	}
	if none {
		return nil
	}
	return list.Set()
}

// network finds the ban of a network that an address is in.
func (b *bans) network(a netip.Addr, now time.Time) (netip.Prefix, ban, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for remote := range b.nets {
		if x := b.all[remote]; remote.Contains(a) && !x.over(now) {
			return remote, x, true
		}
	}
	return netip.Prefix{}, ban{}, false
}

// banNetwork bans a network by hand.
func (d *Daemon) banNetwork(ctx context.Context, remote netip.Prefix, ask api.BanRequest) (ban, error) {
	defer d.hold()()
	if d.stopping {
		return ban{}, errEnding
	}
	b := d.bans
	old, again := b.get(remote)
	if !again && b.countNetworks() >= mostNetworks {
		return ban{}, api.NewProblem(http.StatusConflict, fmt.Sprintf("%d networks are banned already, and no more can be", mostNetworks),
			"a list of networks is for a rule: pfw block --both --remote @NAME")
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	x := asked(ask, old, again, now)
	b.put(remote, x)
	if err := d.rebuild(ctx, now); err != nil {
		if b.drop(remote); again {
			b.put(remote, old)
		}
		return ban{}, fmt.Errorf("ban %s: %w", remote, err)
	}
	b.change.Lock()
	defer b.change.Unlock()
	b.tell(remote, x)
	b.save()
	return x, nil
}

// unbanNetwork ends the ban of a network by hand.
func (d *Daemon) unbanNetwork(ctx context.Context, remote netip.Prefix) (ban, error) {
	defer d.hold()()
	if d.stopping {
		return ban{}, errEnding
	}
	b := d.bans
	x, there := b.get(remote)
	if !there {
		return ban{}, api.NewProblem(http.StatusNotFound, remote.String()+" is not banned", "pfw bans lists who is")
	}
	b.drop(remote)
	if err := d.rebuild(ctx, time.Now()); err != nil {
		b.put(remote, x)
		return ban{}, fmt.Errorf("unban %s: %w", remote, err)
	}
	b.change.Lock()
	defer b.change.Unlock()
	b.finished(remote, x, byHand)
	b.save()
	return x, nil
}

// endNetworks ends the bans of networks whose time is over.
func (d *Daemon) endNetworks(ctx context.Context) {
	now := time.Now()
	over := func(remote netip.Prefix) bool {
		x, ok := d.bans.get(remote)
		return ok && x.over(now)
	}
	if !slices.ContainsFunc(d.bans.listNetworks(), over) {
		return
	}
	defer d.hold()()
	if d.stopping {
		return
	}
	if err := d.rebuild(ctx, now); err != nil {
		// The time of a ban is over: that it goes on for a while opens nothing.
		if ctx.Err() == nil {
			d.log.Warn("bans of networks go on, though their time is over; it is tried again", "error", err)
		}
		return
	}
	b := d.bans
	b.change.Lock()
	defer b.change.Unlock()
	for _, remote := range b.listNetworks() {
		if over(remote) {
			x, _ := b.get(remote)
			b.finished(remote, x, "its time is over")
		}
	}
	b.save()
}

// rebuild puts the policy in force with the networks that are banned now. change is held.
func (d *Daemon) rebuild(ctx context.Context, now time.Time) error {
	// Who asked may go away; half a change must not stay.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return d.again(ctx, now)
}

func (b *bans) listNetworks() (out []netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for remote := range b.nets {
		out = append(out, remote)
	}
	return out
}

func (b *bans) countNetworks() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.nets)
}
