package daemon

import (
	"context"
	"net/netip"
	"time"
	intern "unique"

	"pfw/config/policy"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// A ban that a rule makes is in force in the kernel before anybody here knows. The message of the packet that was too many
// tells of it, with the rule and the reason; where the message is lost, the next look at the kernel finds the ban.

// told takes down what the message of a packet tells of a ban. It serves a reader of the log, and waits for nothing.
func (b *bans) told(t enforce.Tag, m *nflog.Message, reason string) {
	if t.Over.Bound == policy.ByBan && m.PacketError == nil {
		b.learn(remoteOf(t, m), ban{Since: m.Timestamp, Until: until(m.Timestamp, t.Over.For), Rule: string(t.Rule), Reason: reason})
	}
}

// remoteOf is whom a rule's ban is of: enforce counts by the same end.
func remoteOf(t enforce.Tag, m *nflog.Message) netip.Prefix {
	if t.Direction == policy.Out {
		return enforce.Remote(m.Packet.Destination)
	}
	return enforce.Remote(m.Packet.Source)
}

// banLag is how much sooner the kernel may have ended a ban: it counts in ticks of its own, from the packet on.
const banLag = 500 * time.Millisecond

// learn begins a ban that the kernel has, once. One that is known to be over has ended, and begins anew; one that was found in
// the kernel before its reason came gets the reason.
func (b *bans) learn(remote netip.Prefix, x ban) {
	// A flood is banned for few reasons: one copy of each will do.
	x.Rule, x.Reason = intern.Make(x.Rule).Value(), intern.Make(x.Reason).Value()
	before, known := b.get(remote)
	switch {
	case known && before.over(x.Since.Add(banLag)):
		b.finished(remote, before, "its time is over")
	case known && before.Reason == adopted:
		b.put(remote, x)
		return
	case known:
		return
	}
	b.fresh(remote, x)
}

// fresh begins a ban that is in the kernel, and has it looked at: nobody has asked yet whom it hits.
func (b *bans) fresh(remote netip.Prefix, x ban) {
	if !b.enter(remote, x) {
		return
	}
	b.begun(remote, x)
	b.mu.Lock()
	b.unguarded[remote] = true
	b.mu.Unlock()
	wake(b.come)
}

// enter is false where the ban is there already: it may be learned of twice at once.
func (b *bans) enter(remote netip.Prefix, x ban) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.all[remote]; known {
		return false
	}
	b.all[remote], b.unsaved = x, true
	return true
}

// adopt begins bans that the kernel has and nobody here knows of. change is held. The messages of those that rules made may be
// on their way.
func (b *bans) adopt(ctx context.Context, list []enforce.Ban, now time.Time) {
	if len(list) == 0 {
		return
	}
	select {
	case <-time.After(batch):
	case <-ctx.Done():
	}
	b.d.readers.caughtUp(ctx)
	for _, k := range list {
		b.fresh(k.Remote, ban{Since: now, Until: until(now, k.Left), Reason: adopted})
	}
}
