package enforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// Applied is the outcome of Apply.
type Applied struct {
	// Generation is the kernel's number of the ruleset, which rises with every change of any table.
	Generation uint64
	// Retired holds the last reading of the counters that are gone with their rules.
	Retired Counters
	// Emptied says that a set which is filled meanwhile is new, as at the first Apply or where another deleted it: nobody is
	// banned in it.
	Emptied bool
}

// Apply puts the ruleset in force in place of the last, in one transaction; sets that are new are loaded before, as the
// kernel switches rules to a new set sooner than it can look things up in it. Counters, bans and the other sets that are
// filled meanwhile keep what they hold. The outcome is read back. On an error the last ruleset stays.
func (t *Table) Apply(ctx context.Context, r Ruleset) (Applied, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(ctx); err != nil {
		return Applied{}, err
	}
	if err := t.recordUnfinished(); err != nil {
		t.log.Warn("that a ruleset is about to be swapped is not recorded", "error", err)
	}
	loaded, err := t.load(ctx, r.sets)
	if err != nil {
		return Applied{}, errors.Join(fmt.Errorf("load sets: %w", err), t.unload(loaded), t.record())
	}
	names := maps.Clone(t.held)
	maps.Copy(names, loaded)
	wanted := map[string]bool{}
	for _, s := range r.sets {
		wanted[s.name] = true
	}
	maps.DeleteFunc(names, func(contents, _ string) bool { return !wanted[contents] })
	emptied := r.empties(t.last)
	if err := t.swap(ctx, r, names); err != nil {
		return Applied{}, errors.Join(fmt.Errorf("swap rules: %w", err), t.unload(loaded), t.record())
	}
	t.logged = maps.Clone(r.logged)
	t.held = names
	retired, err := t.retire(ctx, r.counters)
	if err != nil {
		// The rules are in force. The counters stay, and the next Apply tries again.
		t.log.Warn("counters of rules that are gone could not be deleted", "error", err)
	}
	t.left = t.last
	if err := t.record(); err != nil {
		// In force is in force: a full disk must not keep a firewall from starting.
		t.log.Warn("the ruleset is in force, but not recorded; the next process will find it changed", "error", err)
	}
	return Applied{Generation: uint64(t.last.Generation), Retired: retired, Emptied: emptied}, nil
}

// refresh sees to it that the table is there and that it is known what is in it.
func (t *Table) refresh(ctx context.Context) error {
	if t.last != nil && !t.owned {
		// Others may change it at any time, or have deleted it.
		changed, err := t.changed()
		if err == nil && changed {
			_, err = t.verify(ctx)
		}
		if err != nil {
			return err
		}
	}
	if err := t.makeReady(ctx); err != nil {
		return fmt.Errorf("make table inet %s ready: %w", tableName, err)
	}
	if t.last != nil {
		return nil
	}
	_, err := t.look(ctx)
	return err
}

// look reads the table. The elements of sets that are known to be as they were loaded are not read again: with many sets
// that takes longer than all the rest.
func (t *Table) look(ctx context.Context) (*snapshot, error) {
	got, err := t.socket.read(ctx, func(set string) int {
		if t.trusted(set) {
			return 0
		}
		return t.counts[set]
	})
	if err != nil {
		return nil, err
	}
	if got == nil {
		return nil, fmt.Errorf("table inet %s is gone", tableName)
	}
	for name, state := range got.Sets {
		if t.trusted(name) {
			state.Holds, state.Count, state.Hash = t.last.Sets[name].Holds, t.last.Sets[name].Count, t.last.Sets[name].Hash
			got.Sets[name] = state
		}
	}
	t.last, t.moved = got, false
	return got, nil
}

// trusted tells whether a set is as it was loaded.
func (t *Table) trusted(set string) bool {
	return t.last != nil && t.last.Sets[set].Holds != "" && t.held[t.last.Sets[set].Holds] == set
}

// load puts the contents that no set in the kernel holds into new sets, and gives their names by contents. No rule refers
// to them yet.
func (t *Table) load(ctx context.Context, sets []set) (loaded map[string]string, err error) {
	loaded = map[string]string{}
	var b batch
	for i := range sets {
		s := &sets[i]
		if _, ok := t.held[s.name]; ok || s.dynamic {
			continue
		}
		name := t.freshName(s.name)
		loaded[s.name] = name
		t.counts[name] = s.count
		b.addSet(s, name)
		e := b.elementsOf("add", unix.NFT_MSG_NEWSETELEM, name)
		for x := range s.spans {
			e.addSpan(s.kind, x)
			if b.bytes+len(e.list) > t.socket.roomFor() {
				e.flush()
				if err := t.change(ctx, &b); err != nil {
					return loaded, err
				}
				b = batch{}
			}
		}
		e.flush()
	}
	if len(b.messages) == 0 {
		return loaded, nil
	}
	return loaded, t.change(ctx, &b)
}

// roomFor bounds a transaction that may be cut in pieces, so that a big list does not take as much memory again.
func (s *socket) roomFor() int { return min(s.room, 16<<20) - maxElementBytes - 1<<10 }

// freshName gives a name that no set in the kernel has: one of that name may be there that is not trusted any more.
func (t *Table) freshName(contents string) string {
	name := contents
	for n := 2; ; n++ {
		if _, taken := t.last.Sets[name]; !taken {
			return name
		}
		name = fmt.Sprintf("%s_%d", contents, n)
	}
}

// unload takes back sets that were loaded for nothing.
func (t *Table) unload(loaded map[string]string) error {
	if len(loaded) == 0 {
		return nil
	}
	// Also where the caller's time is up.
	ctx := context.Background()
	got, err := t.look(ctx)
	if err != nil {
		return err
	}
	var b batch
	for _, name := range slices.Sorted(maps.Values(loaded)) {
		delete(t.counts, name)
		if _, there := got.Sets[name]; there {
			b.deleteSet(name)
		}
	}
	if len(b.messages) == 0 {
		return nil
	}
	if err := t.change(ctx, &b); err != nil {
		return fmt.Errorf("take back loaded sets: %w", err)
	}
	_, err = t.look(ctx)
	return err
}
