package enforce

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// A list that changed a little is not loaded anew: the hashes in the kernel get what is new, and then lose what is gone. So
// for a moment they hold both, and an address that only moves, from list to list or from hash to hash, is never in none. A
// packet meets the first rule that names its list then or now, so either policy's verdict. That holds only where the
// rules themselves stay as they are, and as hashes are asked for that hold an address, never for one that they do not.

// edit is a hash in the kernel that is to hold other contents.
type edit struct {
	set          *set
	from         string // the contents that it holds now
	kernelName   string
	fresh, stale []byte // elements, one after another
}

// mostEdited bounds by how many ranges a list may have changed. What they make must fit in a transaction.
const mostEdited = 20_000

// edits finds how to make the sets that are missing of those that are not wanted any more; nil where one cannot be made.
func (t *Table) edits(sets []set) []edit {
	wanted := map[string]bool{}
	for i := range sets {
		wanted[sets[i].name] = true
	}
	spare := map[string][]*set{} // by role
	for _, contents := range slices.Sorted(maps.Keys(t.hashes)) {
		if _, there := t.held[contents]; there && !wanted[contents] {
			spare[role(contents)] = append(spare[role(contents)], t.hashes[contents])
		}
	}
	known := changed{}
	var out []edit
	for i := range sets {
		s := &sets[i]
		if _, there := t.held[s.name]; there || s.dynamic {
			continue
		}
		if s.share == nil {
			return nil
		}
		of := role(s.name)
		n := slices.IndexFunc(spare[of], func(old *set) bool {
			e := edit{set: s, from: old.name, kernelName: t.held[old.name]}
			if !e.differences(old.share, known) || old.count+len(e.fresh)/s.kind.bytes > t.last.Sets[e.kernelName].room {
				return false
			}
			out = append(out, e)
			return true
		})
		if n < 0 {
			return nil
		}
		spare[of] = slices.Delete(spare[of], n, n+1)
	}
	return out
}

// role is what stands before the digest in a name.
func role(contents string) string { return contents[:strings.LastIndexByte(contents, '_')+1] }

// changed is how lists changed: for each pair of an old list and a new one, so that they are walked once for all of their
// hashes.
type changed map[[2]*policy.AddressSet]map[policy.Family]*change

type change struct {
	gone, come []policy.AddressRange
	few        bool
}

func (c changed) from(old, new *policy.AddressSet, f policy.Family) *change {
	pair := [2]*policy.AddressSet{old, new}
	if c[pair] == nil {
		c[pair] = map[policy.Family]*change{}
	}
	if c[pair][f] == nil {
		x := &change{}
		x.gone, x.come, x.few = policy.Changes(old, new, f, mostEdited)
		c[pair][f] = x
	}
	return c[pair][f]
}

// differences finds what is fresh and what is stale; false where that is too much, or the list is put into hashes another
// way.
func (e *edit) differences(old *share, known changed) bool {
	now := e.set.share
	if old.layout.as != now.layout.as || old.bits != now.bits {
		return false
	}
	c := known.from(old.list, now.list, now.family)
	if !c.few {
		return false
	}
	e.stale, e.fresh = old.elementsOf(c.gone, now.list), now.elementsOf(c.come, old.list)
	if !now.near {
		e.cancel()
	}
	return len(e.stale) <= fillBytes/4 && len(e.fresh) <= fillBytes/4
}

// elementsOf gives what some ranges of the list make, ascending. Networks near which the other list has an entry as well
// are left out.
func (p *share) elementsOf(ranges []policy.AddressRange, other *policy.AddressSet) []byte {
	var out []byte
	var k addressKey
	var last netip.Prefix
	var prefixes []netip.Prefix
	for _, r := range ranges {
		for _, x := range r.AppendPrefixes(prefixes[:0]) {
			p.elements(x, &last, &k, func(key []byte) bool {
				if p.near {
					a, _ := netip.AddrFromSlice(key)
					if other.Overlaps(policy.RangeOf(netip.PrefixFrom(a, p.bits))) {
						return true
					}
				}
				out = append(out, key...)
				return len(out) < fillBytes
			})
		}
	}
	return out
}

// cancel takes out what is both fresh and stale: a range that grew is made of some of the prefixes of before.
func (e *edit) cancel() {
	size := e.set.kind.bytes
	var fresh, stale []byte
	a, b := e.stale, e.fresh
	for len(a) > 0 || len(b) > 0 {
		order := len(b) - len(a) // of the one that is not empty
		if len(a) > 0 && len(b) > 0 {
			order = bytes.Compare(a[:size], b[:size])
		}
		switch {
		case order < 0:
			stale, a = append(stale, a[:size]...), a[size:]
		case order > 0:
			fresh, b = append(fresh, b[:size]...), b[size:]
		default:
			a, b = a[size:], b[size:]
		}
	}
	e.fresh, e.stale = fresh, stale
}

// editInPlace brings the ruleset into force where only long lists changed, and those a little; done is false where it must
// come into force as a whole. It is for a table that is known to be as it was left.
func (t *Table) editInPlace(ctx context.Context, r *Ruleset) (done bool, err error) {
	if t.left == nil || t.last != t.left || t.moved {
		return false, nil
	}
	list := t.edits(r.sets)
	if len(list) == 0 {
		return false, nil
	}
	names := maps.Clone(t.held)
	for _, e := range list {
		delete(names, e.from)
		names[e.set.name] = e.kernelName
	}
	p, err := t.planBy(r, names)
	if err != nil || p.changes(p.swap()) {
		return false, err
	}
	if now, err := t.socket.generation(); err != nil || now != t.last.Generation {
		return false, err
	}
	size := 0
	for _, e := range list {
		// An element takes 12 bytes more than its key, of four at least.
		size += 4 * (len(e.fresh) + len(e.stale))
	}
	if size > t.socket.room {
		return false, nil
	}
	t.recordUnfinished()
	f := t.filler(ctx)
	f.whole = true
	for _, step := range []struct {
		verb string
		kind int
		of   func(edit) []byte
	}{
		{"add", unix.NFT_MSG_NEWSETELEM, func(e edit) []byte { return e.fresh }},
		{"delete", unix.NFT_MSG_DELSETELEM, func(e edit) []byte { return e.stale }},
	} {
		for _, e := range list {
			size := e.set.kind.bytes
			f.begin(step.verb, step.kind, e.kernelName)
			for part := step.of(e); len(part) > 0; part = part[size:] {
				if err := f.add(part[:size], false); err != nil {
					return false, err
				}
			}
		}
		if err := f.commit(); err != nil {
			// They hold more than they held; nobody trusts them any more.
			for _, e := range list {
				delete(t.held, e.from)
			}
			return false, fmt.Errorf("edit sets in place: %w", err)
		}
		// Half an edit must not stay because the caller's time is up.
		f.ctx = context.WithoutCancel(ctx)
	}
	for _, e := range list {
		t.counts[e.kernelName] = e.set.length()
		state := t.last.Sets[e.kernelName]
		state.Holds, state.Count, state.Hash = e.set.name, e.set.length(), e.set.held().hash
		t.last.Sets[e.kernelName] = state
	}
	t.held = names
	// Only how many they hold is read back: the rules are as they were, as every step of the generation was ours.
	got := &snapshot{Sets: map[string]setState{}}
	if err := t.socket.readSets(got, unread{counts: func(string) int { return 0 }}); err != nil || t.moved {
		return false, err
	}
	for _, e := range list {
		if n := got.Sets[e.kernelName].elements; n > 0 && n != e.set.count {
			delete(t.held, e.set.name)
			return false, fmt.Errorf("set %s holds %d elements and not %d", e.kernelName, n, e.set.count)
		}
	}
	return true, nil
}
