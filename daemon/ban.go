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
	"pfw/daemon/procs"
	"pfw/enforce"
)

// byHand is the reason of a ban for which a person gave none.
const byHand = "by hand"

// Bans lists who is banned, the oldest ban first.
func (d *Daemon) Bans(ctx context.Context) (api.Bans, error) {
	// Who asks wants to see what just happened, but not to wait for a big list.
	if !d.busy() {
		if err := d.bans.now(ctx); err != nil {
			return api.Bans{}, fmt.Errorf("read bans: %w", err)
		}
	}
	now := time.Now()
	var out api.Bans
	for remote, x := range d.bans.list() {
		if !x.over(now) {
			out.Bans = append(out.Bans, x.answer(remote))
		}
	}
	slices.SortFunc(out.Bans, func(a, b api.Ban) int {
		if c := a.Since.Compare(b.Since.Time); c != 0 {
			return c
		}
		return slices.Compare([]byte(a.Address), []byte(b.Address))
	})
	return out, nil
}

// now looks at all that the kernel holds.
func (b *bans) now(ctx context.Context) error {
	b.change.Lock()
	defer b.change.Unlock()
	if b.ended {
		return errEnding
	}
	return b.look(ctx, time.Now())
}

func (b ban) answer(remote netip.Prefix) api.Ban {
	out := api.Ban{Address: spell(remote), Since: api.Time{Time: b.Since}, Rule: b.Rule, Reason: b.Reason}
	if !b.Until.IsZero() {
		out.Until = &api.Time{Time: b.Until}
	}
	return out
}

// spell writes a remote as people do.
func spell(remote netip.Prefix) string {
	if remote.IsSingleIP() {
		return remote.Addr().String()
	}
	return remote.String()
}

// Ban bans a remote by hand.
func (d *Daemon) Ban(ctx context.Context, ask api.BanRequest) (api.Bans, error) {
	addr, remote, err := parseRemote(ask.Address)
	if err == nil {
		err = d.mayBan(addr, remote, ask.Force)
	}
	if err != nil {
		return api.Bans{}, err
	}
	x, err := d.bans.byHand(ctx, remote, ask)
	if err != nil {
		return api.Bans{}, err
	}
	d.cutBanned(ctx)
	return api.Bans{Bans: []api.Ban{x.answer(remote)}}, nil
}

// byHand puts a ban in force.
func (b *bans) byHand(ctx context.Context, remote netip.Prefix, ask api.BanRequest) (ban, error) {
	b.change.Lock()
	defer b.change.Unlock()
	if b.ended {
		return ban{}, errEnding
	}
	if err := b.d.table.Ban(ctx, []enforce.Ban{{Remote: remote, Left: ask.For}}); err != nil {
		if b.full(err) {
			return ban{}, api.NewProblem(http.StatusConflict, b.noRoom(), moreRoom)
		}
		return ban{}, fmt.Errorf("ban %s: %w", spell(remote), err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	x, again := b.get(remote)
	if !again {
		x = ban{Since: now, Reason: byHand}
	}
	x.Until = until(now, ask.For)
	if ask.Reason != "" {
		x.Reason = ask.Reason
	}
	b.begun(remote, x)
	b.save()
	return x, nil
}

// Unban ends a ban by hand.
func (d *Daemon) Unban(ctx context.Context, address string) (api.Bans, error) {
	_, remote, err := parseRemote(address)
	if err != nil {
		return api.Bans{}, err
	}
	b := d.bans
	b.change.Lock()
	defer b.change.Unlock()
	if b.ended {
		return api.Bans{}, errEnding
	}
	k, there, err := d.table.Banned(ctx, remote)
	if err == nil {
		err = d.table.Unban(ctx, []netip.Prefix{remote})
	}
	if err != nil {
		return api.Bans{}, fmt.Errorf("unban %s: %w", spell(remote), err)
	}
	if !there {
		return api.Bans{}, api.NewProblem(http.StatusNotFound, spell(remote)+" is not banned", "pfw bans lists who is")
	}
	x, known := b.get(remote)
	if !known {
		now := time.Now()
		x = ban{Since: now, Until: until(now, k.Left), Reason: adopted}
	}
	b.finished(remote, x, byHand)
	b.save()
	// There is room now where there was none.
	b.next = time.Time{}
	return api.Bans{Bans: []api.Ban{x.answer(remote)}}, nil
}

const forms = "write an IPv4 address, or an IPv6 address, whose /64 is banned"

// parseRemote reads who is to be banned: an address, or the /64 that is banned with one.
func parseRemote(text string) (netip.Addr, netip.Prefix, error) {
	bad := func(hint, format string, a ...any) (netip.Addr, netip.Prefix, error) {
		return netip.Addr{}, netip.Prefix{}, api.NewProblem(http.StatusBadRequest, fmt.Sprintf(format, a...), hint)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		p, prefixErr := netip.ParsePrefix(text)
		switch addr = p.Addr(); {
		case prefixErr != nil:
			return bad(forms, "%q is no address", text)
		case addr.Is4() && p.Bits() < 32, addr.Is6() && p.Bits() < 64:
			return bad(fmt.Sprintf("a rule can: pfw block --both --remote %s", p.Masked()), "%s is a network, and only an address can be banned", p)
		case addr.Is6() && p.Bits() != 64 && p.Bits() != 128:
			return bad(fmt.Sprintf("pfw ban %s bans its /64", addr), "%s is part of a /64, and IPv6 is banned by the whole of it", p)
		}
	}
	switch {
	case addr.Zone() != "":
		return bad(forms, "%q has a zone", text)
	case addr.Is4In6():
		return bad(fmt.Sprintf("write %s", addr.Unmap()), "%s is an IPv4 address written as IPv6", addr)
	}
	return addr, enforce.Remote(addr), nil
}

// mayBan refuses bans of nobody, and those that would hit whoever asks for them.
func (d *Daemon) mayBan(addr netip.Addr, remote netip.Prefix, force bool) error {
	own, err := localAddresses()
	if err != nil {
		return err
	}
	bad := func(detail, hint string) error {
		return api.NewProblem(http.StatusBadRequest, addr.String()+detail, hint)
	}
	switch {
	case own.has(addr):
		// It could be banned on another machine: nothing is wrong with how it is asked.
		return api.NewProblem(http.StatusConflict, addr.String()+" is this machine's own address", "loopback and this machine's own addresses are never banned")
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return bad(" shares fe80::/64 with all that is on the link, routers too, so it cannot be banned",
			"a rule can name the one address: pfw block --both --remote "+addr.String())
	case policy.IsNobodys(remote):
		return bad(" is nobody's address", forms)
	case d.force.Load().policy.NeverBans(remote):
		return api.NewProblem(http.StatusConflict, addr.String()+" is never banned, as [ban] never names it", "take it out of [ban] never in "+d.o.Config+" first")
	case force:
		return nil
	}
	peers, err := procs.SSHPeers()
	if err != nil {
		return api.NewProblem(http.StatusConflict, "nobody knows who is logged in by ssh: "+err.Error(), "--force bans all the same")
	}
	for _, s := range peers {
		if peer := s.Remote.Addr(); remote.Contains(peer) && !own.has(peer) {
			return api.NewProblem(http.StatusConflict, fmt.Sprintf("somebody is logged in by ssh from %s, and a ban ends that", peer), "--force bans all the same")
		}
	}
	return nil
}
