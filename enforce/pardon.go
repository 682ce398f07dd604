package enforce

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Pardon ends the bans of remotes, and keeps rules and detectors from banning them again for a while.
func (t *Table) Pardon(ctx context.Context, remotes []netip.Prefix, d time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b batch
	for _, r := range remotes {
		e := b.elementsOf("add", unix.NFT_MSG_NEWSETELEM, ofFamily(pardonedSet, familyOf(r.Addr())))
		e.add(element{key: r.Addr().AsSlice(), timeout: d})
		e.flush()
	}
	// Where nothing bans there is no such set, and where it is full they may be banned again: either way, their ban is to end.
	if err := t.change(ctx, &b); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENFILE) {
		return err
	}
	list := make([]Ban, len(remotes))
	for i, r := range remotes {
		list[i].Remote = r
	}
	return t.editBans(ctx, list, false)
}
