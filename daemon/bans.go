package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/enforce"
)

// bans are who is banned. The kernel decides who is and for how long; here is kept what it does not know: since when and
// why, and until when by the wall clock, over stops and reboots.
type bans struct {
	d    *Daemon
	path string

	// change is held by whatever changes who is banned, here or in the kernel, or compares the two. It is taken after
	// Daemon.change, where both are.
	change sync.Mutex
	// ended says, under change, that the kernel's bans are left to a successor, or gone with the table.
	ended bool
	// empty says, under change, that the kernel's sets do not hold the bans yet.
	empty bool
	// remade says, under change, that the kernel's sets were made anew and may lack some bans.
	remade bool
	// looked is when the kernel was asked last and next when all of it is asked again; under change.
	looked, next time.Time
	// policy says, under change, how many can be banned and who never is; nil before the first is in force.
	policy *policy.Policy

	// met says that the connections of all who are banned have been cut, or are about to be.
	met atomic.Bool

	mu  sync.Mutex
	all map[netip.Prefix]ban
	// nets are those of all that are networks, which are banned by a rule and not in a set of the kernel's.
	nets map[netip.Prefix]bool
	// unguarded are bans that the kernel began and that may hit somebody who is logged in; come says that there are some.
	unguarded map[netip.Prefix]bool
	// unsaved says that the file is behind.
	unsaved bool

	come chan struct{}
	// full is what is known of bans that were refused, as there was no room; of one goroutine.
	full refusals
}

// ban is one remote's.
type ban struct {
	Since time.Time `json:"since"`
	// Until is zero where the ban does not end by itself.
	Until time.Time `json:"until,omitzero"`
	// Rule is what banned, "" for a person.
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason"`
}

// over tells whether the ban has ended by itself.
func (b ban) over(now time.Time) bool { return !b.Until.IsZero() && !b.Until.After(now) }

// left is how long the ban still lasts, as the kernel is told.
func (b ban) left(now time.Time) time.Duration {
	if b.Until.IsZero() {
		return 0
	}
	return b.Until.Round(0).Sub(now.Round(0))
}

func (b *bans) get(remote netip.Prefix) (ban, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, ok := b.all[remote]
	return x, ok
}

func (b *bans) put(remote netip.Prefix, x ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[remote], b.unsaved = x, true
	if isNetwork(remote) {
		b.nets[remote] = true
	}
}

// drop forgets a ban.
func (b *bans) drop(remote netip.Prefix) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, remote)
	delete(b.nets, remote)
	b.unsaved = true
}

// list gives a copy.
func (b *bans) list() map[netip.Prefix]ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.all)
}

// over lists the bans whose time is over.
func (b *bans) over(now time.Time) map[netip.Prefix]ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[netip.Prefix]ban{}
	for remote, x := range b.all {
		if x.over(now) {
			out[remote] = x
		}
	}
	return out
}

// count is how many are banned.
func (b *bans) count(now time.Time) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.all {
		if !x.over(now) {
			n++
		}
	}
	return n
}

// some tells whether anybody is banned. It is asked at every ban, so they are not counted for it.
func (b *bans) some(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.all {
		if !x.over(now) {
			return true
		}
	}
	return false
}

// of finds the ban that a flow meets.
func (b *bans) of(f *policy.Flow, now time.Time) (netip.Prefix, ban, bool) {
	ends := []policy.Field[netip.Addr]{f.Remote()}
	if f.Direction == policy.Forward {
		ends = []policy.Field[netip.Addr]{f.Source, f.Destination}
	}
	for _, end := range ends {
		if a, ok := end.Get(); ok {
			remote := enforce.Remote(a)
			if x, ok := b.get(remote); ok && !x.over(now) {
				return remote, x, true
			}
			if network, x, ok := b.network(a, now); ok {
				return network, x, true
			}
		}
	}
	return netip.Prefix{}, ban{}, false
}

// begun tells of a ban.
func (b *bans) begun(remote netip.Prefix, x ban) {
	b.put(remote, x)
	b.tell(remote, x)
}

func (b *bans) tell(remote netip.Prefix, x ban) {
	b.met.Store(false)
	wake(b.d.surroundings)
	b.d.audit.Append(audit.Entry{EventType: audit.Ban, SrcIP: remote,
		PFW: audit.PFW{Rule: x.Rule, Reason: x.Reason, Until: x.Until}})
}

// finished tells of the end of a ban.
func (b *bans) finished(remote netip.Prefix, x ban, why string) {
	b.drop(remote)
	b.d.audit.Append(audit.Entry{EventType: audit.Unban, SrcIP: remote,
		PFW: audit.PFW{Rule: x.Rule, Reason: why + "; it was banned: " + x.Reason, Until: x.Until}})
}

// inForce tells of a policy that has come into force, and what became of the kernel's sets with it. change is held.
func (b *bans) inForce(ctx context.Context, p *policy.Policy, applied enforce.Applied) {
	before := b.policy
	b.policy = p
	if before == nil || before.Spared() != p.Spared() {
		if err := b.spare(ctx); err != nil {
			b.d.log.Error("bans of who is never banned are not lifted; it is tried again", "error", err)
		}
	}
	if applied.Emptied {
		b.emptied(ctx)
	}
	if applied.Remade {
		// Those that the messages of packets tell of only now are put in force by the next look.
		b.remade, b.next = true, time.Time{}
		if err := b.complete(ctx); err != nil {
			b.d.log.Error("bans may be missing since there is room for another number; it is tried again", "error", err)
		}
	}
	b.overfull()
}

// spare lifts the bans of those whom the policy never bans. change is held.
func (b *bans) spare(ctx context.Context) error {
	var lift []netip.Prefix
	list := b.list()
	for remote := range list {
		if b.policy.NeverBans(remote) {
			lift = append(lift, remote)
		}
	}
	// Networks are banned by the rules in force, which leave these out.
	if err := b.d.table.Unban(ctx, slices.DeleteFunc(slices.Clone(lift), isNetwork)); err != nil {
		return err
	}
	for _, remote := range lift {
		b.finished(remote, list[remote], "the never list of [ban] has it")
	}
	b.save()
	return nil
}

// overfull tells of more bans than the policy has room for: none is let go for it. change is held.
func (b *bans) overfull() {
	size := int(b.policy.Bans().Size)
	switch n := b.most(time.Now()); {
	case n < size:
		b.d.faults.clear(bansFull)
	case n > size:
		b.d.faults.set(bansFull, fmt.Sprintf("%d addresses of a family are banned, more than [ban] size = %d has room for: all of them stay so, and no more are until there are fewer", n, size), moreRoom)
	}
}

const moreRoom = "pfw bans lists them; pfw unban makes room, and so does a larger [ban] size"

// most counts the bans of the family that has more.
func (b *bans) most(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	count := map[bool]int{}
	for remote, x := range b.all {
		if !x.over(now) && !b.nets[remote] {
			count[remote.Addr().Is4()]++
		}
	}
	return max(count[true], count[false])
}

// emptied puts all bans into sets that were made anew. change is held. Where that fails it is tried again.
func (b *bans) emptied(ctx context.Context) {
	b.empty = true
	if err := b.refill(ctx); err != nil {
		b.d.log.Error("bans not put in force; it is tried again", "error", err)
	}
}

// complete has the kernel ban all of those who are known to be banned.
func (b *bans) complete(ctx context.Context) error {
	err := b.d.table.Complete(ctx, b.standing())
	if err != nil && b.isFull(err) {
		return nil
	}
	return err
}

// standing are the bans that the kernel's sets are to hold now.
func (b *bans) standing() (list []enforce.Ban) {
	now := time.Now()
	for remote, x := range b.list() {
		if !x.over(now) && !isNetwork(remote) {
			list = append(list, enforce.Ban{Remote: remote, Left: x.left(now)})
		}
	}
	return list
}

func (b *bans) refill(ctx context.Context) error {
	list := b.standing()
	err := b.d.table.Ban(ctx, list)
	// There may be fewer in force than there were: what the kernel does not have is then told to have ended.
	if err != nil && !b.isFull(err) {
		b.d.faults.set(unbanned, fmt.Sprintf("%d bans are not in force: %v", len(list), err), "it is tried again every few seconds; the journal has what went before")
		return err
	}
	b.empty = false
	b.d.faults.clear(unbanned)
	if len(list) > 0 {
		b.d.log.Info("bans of before are in force", "bans", len(list))
	}
	return nil
}

// isFull tells, where err says so, that there is no room for more bans.
func (b *bans) isFull(err error) bool {
	if !errors.Is(err, enforce.ErrBansFull) {
		return false
	}
	b.d.faults.set(bansFull, b.noRoom(), moreRoom)
	return true
}

// noRoom says what is wrong where no more can be banned. change is held.
func (b *bans) noRoom() string {
	return fmt.Sprintf("%d addresses of a family are banned already, as many as [ban] size has room for, and no more can be", b.policy.Bans().Size)
}
