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
	ban := d.bans.byHand
	if isNetwork(remote) {
		ban = d.banNetwork
	}
	x, err := ban(ctx, remote, ask)
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
		if b.isFull(err) {
			return ban{}, api.NewProblem(http.StatusConflict, b.noRoom(), moreRoom)
		}
		return ban{}, fmt.Errorf("ban %s: %w", spell(remote), err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	old, again := b.get(remote)
	x := asked(ask, old, again, now)
	b.begun(remote, x)
	b.save()
	return x, nil
}

// asked is a ban as a person wants it; again says that there is the old one.
func asked(ask api.BanRequest, old ban, again bool, now time.Time) ban {
	x := ban{Since: now, Reason: byHand}
	if again {
		x = old
	}
	x.Until = until(now, ask.For)
	if ask.Reason != "" {
		x.Reason = ask.Reason
	}
	return x
}

// Unban ends a ban by hand.
func (d *Daemon) Unban(ctx context.Context, address string) (api.Bans, error) {
	_, remote, err := parseRemote(address)
	if err != nil {
		return api.Bans{}, err
	}
	unban := d.bans.endByHand
	if isNetwork(remote) {
		unban = d.unbanNetwork
	}
	x, err := unban(ctx, remote)
	if err != nil {
		return api.Bans{}, err
	}
	return api.Bans{Bans: []api.Ban{x.answer(remote)}}, nil
}

func (b *bans) endByHand(ctx context.Context, remote netip.Prefix) (ban, error) {
	b.change.Lock()
	defer b.change.Unlock()
	if b.ended {
		return ban{}, errEnding
	}
	k, there, err := b.d.table.Banned(ctx, remote)
	if err == nil {
		err = b.d.table.Unban(ctx, []netip.Prefix{remote})
	}
	if err != nil {
		return ban{}, fmt.Errorf("unban %s: %w", spell(remote), err)
	}
	if !there {
		if network, _, ok := b.network(remote.Addr(), time.Now()); ok {
			return ban{}, api.NewProblem(http.StatusNotFound, fmt.Sprintf("%s is banned with all of %s only", spell(remote), network), fmt.Sprintf("pfw unban %s", network))
		}
		return ban{}, api.NewProblem(http.StatusNotFound, spell(remote)+" is not banned", "pfw bans lists who is")
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
	return x, nil
}

const forms = "write an address, or a network like 203.0.113.0/24; IPv6 is banned by /64 or more"

// parseRemote reads who is to be banned: an address, the /64 that is banned with one of IPv6, or a network.
func parseRemote(text string) (netip.Addr, netip.Prefix, error) {
	bad := func(hint, format string, a ...any) (netip.Addr, netip.Prefix, error) {
		return netip.Addr{}, netip.Prefix{}, api.NewProblem(http.StatusBadRequest, fmt.Sprintf(format, a...), hint)
	}
	addr, err := netip.ParseAddr(text)
	p := netip.PrefixFrom(addr, addr.BitLen())
	if err != nil {
		if p, err = netip.ParsePrefix(text); err != nil {
			return bad(forms, "%q is no address", text)
		}
		addr = p.Addr()
	}
	switch remote := enforce.Remote(addr); {
	case addr.Zone() != "":
		return bad(forms, "%q has a zone", text)
	case addr.Is4In6():
		return bad(fmt.Sprintf("write %s", addr.Unmap()), "%s is an IPv4 address written as IPv6", addr)
	case p.Bits() >= remote.Bits():
		return addr, remote, nil
	case p != p.Masked():
		return bad(fmt.Sprintf("write %s for the network, or %s for the one address", p.Masked(), addr), "%s has host bits set", p)
	}
	return addr, p, nil
}

// mayBan refuses bans of nobody, and those that would hit whoever asks for them. addr is who it is to be, or the first of them.
func (d *Daemon) mayBan(addr netip.Addr, remote netip.Prefix, force bool) error {
	own, err := localAddresses()
	if err != nil {
		return err
	}
	text := addr.String()
	if isNetwork(remote) {
		text = remote.String()
	}
	// Of a /64 that is banned with an address, this machine may have another address, and is not banned with it.
	mine := func(a netip.Addr) bool { return a == addr || isNetwork(remote) && remote.Contains(a) }
	for a := range own {
		if mine(a) {
			// It could be banned on another machine: nothing is wrong with how it is asked.
			return api.NewProblem(http.StatusConflict, holds(text, remote, a, "this machine's own address"), "loopback and this machine's own addresses are never banned")
		}
	}
	switch {
	case addr.IsLoopback():
		return api.NewProblem(http.StatusConflict, text+" is this machine's own address", "loopback and this machine's own addresses are never banned")
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return api.NewProblem(http.StatusBadRequest, text+" shares fe80::/64 with all that is on the link, routers too, so it cannot be banned",
			"a rule can name the one address: pfw block --both --remote "+addr.String())
	case policy.IsNobodys(remote) && isNetwork(remote):
		return api.NewProblem(http.StatusBadRequest, text+" holds addresses that are nobody's, or those of loopback, groups or a link", "ban a smaller network")
	case policy.IsNobodys(remote):
		return api.NewProblem(http.StatusBadRequest, text+" is nobody's address", forms)
	case d.force.Load().policy.NeverBans(remote):
		what := text + " is never banned: the never list of [ban] has it"
		if isNetwork(remote) {
			what = text + " holds addresses that are never banned: the never list of [ban] has them"
		}
		return api.NewProblem(http.StatusConflict, what, "take it out of never in [ban] of "+d.o.Config+" first")
	case force:
		return nil
	}
	peers, err := procs.SSHPeersAmong(remote.Contains)
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

// holds says that what is asked for is an address, or a network that holds it.
func holds(text string, remote netip.Prefix, a netip.Addr, what string) string {
	if isNetwork(remote) {
		return fmt.Sprintf("%s holds %s, %s", text, a, what)
	}
	return text + " is " + what
}
