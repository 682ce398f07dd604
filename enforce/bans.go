package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// Ban is a remote whose packets are dropped whatever the rules say, and how long that goes on.
type Ban struct {
	// Remote is one IPv4 address, or the /64 of IPv6 addresses, as Remote gives it.
	Remote netip.Prefix
	// Left is the time that is left; 0 for a ban that does not end by itself.
	Left time.Duration
}

// ErrBansFull says that as many remotes of a family are banned as can be: policy.Bans has how many.
var ErrBansFull = errors.New("as many addresses of a family are banned as there is room for")

// Remote is what is banned with an address: itself, or of IPv6 the /64 that it is in, as who has one address there has all.
func Remote(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// bansAtOnce is how many bans one transaction changes: what fits the smallest buffer, and one message of elements, so that
// deletions come first.
const bansAtOnce = 500

// Ban bans remotes for the time left to each, from now on; one that is banned already then ends at its new time. Their open
// connections end, too. Where there is no room for all, the error is ErrBansFull and some may be banned.
func (t *Table) Ban(ctx context.Context, list []Ban) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.editBans(ctx, list, true); err != nil {
		return err
	}
	return t.haveBans(list)
}

// Complete bans those of the list who are not banned; the others stay as they are.
func (t *Table) Complete(ctx context.Context, list []Ban) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	present, err := t.present(list)
	if err != nil {
		return err
	}
	return t.editBans(ctx, slices.DeleteFunc(slices.Clone(list), func(b Ban) bool { return present[b.Remote] }), true)
}

// Unban ends bans. A remote that is not banned is passed over.
func (t *Table) Unban(ctx context.Context, remotes []netip.Prefix) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Ban, len(remotes))
	for i, r := range remotes {
		list[i].Remote = r
	}
	return t.editBans(ctx, list, false)
}

// Bans lists who is banned in the kernel, by whomever. Right after many have come, some may be missing: Banned tells for sure.
func (t *Table) Bans(ctx context.Context) ([]Ban, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return t.socket.bans()
}

// Banned tells whether a remote is banned in the kernel, and for how long it still is.
func (t *Table) Banned(ctx context.Context, remote netip.Prefix) (b Ban, ok bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Ban{}, false, err
	}
	return t.socket.ban(remote)
}

func (t *Table) editBans(ctx context.Context, list []Ban, ban bool) error {
	// As with connections that are cut, one may end between the look and the change.
	const tries = 3
	var err error
	for range tries {
		if err = t.editBansOnce(ctx, list, ban); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if errors.Is(err, unix.ENFILE) {
		return ErrBansFull
	}
	return err
}

func (t *Table) editBansOnce(ctx context.Context, list []Ban, ban bool) error {
	present, err := t.present(list)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(list, bansAtOnce) {
		if b := bansBatch(some, present, ban); len(b.messages) > 0 {
			if err := t.change(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// present tells which of the list are banned in the kernel.
func (t *Table) present(list []Ban) (map[netip.Prefix]bool, error) {
	out := map[netip.Prefix]bool{}
	// Reading one of sixty thousand takes some ten microseconds, reading all half a second.
	const few = 1000
	if len(list) > few {
		all, err := t.socket.bans()
		if err != nil || len(all) == 0 {
			return out, err
		}
		for _, b := range all {
			out[b.Remote] = true
		}
	}
	// The kernel's hash grows in its own time, and a dump that meets it misses some; a look for one does not.
	for _, b := range list {
		if out[b.Remote] {
			continue
		}
		_, ok, err := t.socket.ban(b.Remote)
		if err != nil {
			return nil, err
		}
		out[b.Remote] = ok
	}
	return out, nil
}

// bansBatch takes the bans out that are present and, where ban says so, puts all of them in: kernels before 6.12 give an
// element that is there no other end. present is kept up.
func bansBatch(list []Ban, present map[netip.Prefix]bool, ban bool) *batch {
	wanted := map[netip.Prefix]time.Duration{}
	for _, b := range list {
		wanted[b.Remote] = b.Left
	}
	var b batch
	for _, f := range policy.Families {
		name := ofFamily(bannedSet, f)
		gone := b.elementsOf("delete", unix.NFT_MSG_DELSETELEM, name)
		added := b.elementsOf("add", unix.NFT_MSG_NEWSETELEM, name)
		for remote, left := range wanted {
			if familyOf(remote.Addr()) != f {
				continue
			}
			key := remote.Addr().AsSlice()
			if present[remote] {
				gone.add(element{key: key})
			}
			if present[remote] = ban; ban {
				added.add(element{key: key, timeout: left})
			}
		}
		gone.flush()
		added.flush()
	}
	return &b
}

// haveBans reads back what was banned.
func (t *Table) haveBans(list []Ban) error {
	present, err := t.present(list)
	if err != nil {
		return err
	}
	for _, b := range list {
		// One that is for moments only may be over.
		if !present[b.Remote] && (b.Left == 0 || b.Left > time.Second) {
			return fmt.Errorf("the kernel took the ban of %s and does not have it", b.Remote)
		}
	}
	return nil
}
