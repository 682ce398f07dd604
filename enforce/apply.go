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
	// Emptied says that a set of bans is new, as at the first Apply or where another deleted it: nobody is banned in it.
	Emptied bool
	// Remade says that one was made anew with the bans that it held: some that were made at the same time may be missing.
	Remade bool
}

// Apply puts the ruleset in force in place of the last, in one transaction; what is new and nobody refers to yet is loaded
// before (see plan). Counters, bans and the other sets that are filled meanwhile keep what they hold, and what is in the
// kernel already is not sent again. The outcome is read back. On an error the last ruleset stays.
func (t *Table) Apply(ctx context.Context, r Ruleset) (Applied, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(ctx); err != nil {
		return Applied{}, err
	}
	if t.stands(&r) {
		return Applied{Generation: uint64(t.last.Generation), Retired: newCounters()}, nil
	}
	t.applied = nil
	emptied, remade, err := t.resize(&r)
	if err != nil {
		return Applied{}, err
	}
	done := false
	if len(r.anew(t.last)) == 0 {
		done, err = t.editInPlace(ctx, &r)
	}
	if err != nil {
		t.log.Warn("lists not changed in place; all is loaded anew", "error", err)
	}
	whole := true
	if !done {
		if whole, err = t.replaceInSteps(ctx, &r); err != nil {
			return Applied{}, err
		}
	}
	t.logged, t.hashes = maps.Clone(r.logged), r.hashes()
	retired, err := t.retire(ctx, r.counters)
	if err != nil {
		// The rules are in force. The counters stay, and the next Apply tries again.
		t.log.Warn("counters of rules that are gone could not be deleted", "error", err)
	}
	if t.last != t.left || t.unfinished {
		t.left = t.last
		if err := t.record(); err != nil {
			// In force is in force: a full disk must not keep a firewall from starting.
			t.log.Warn("the ruleset is in force, but not recorded; the next process will find it changed", "error", err)
		}
	}
	if err == nil && whole {
		t.applied = r.made
	}
	return Applied{Generation: uint64(t.last.Generation), Retired: retired, Emptied: emptied, Remade: remade}, nil
}

// stands tells whether the ruleset is in force, as it was left: then there is nothing to compare.
func (t *Table) stands(r *Ruleset) bool {
	return r.made != nil && t.applied == r.made && t.last == t.left && !t.moved && !t.unfinished && len(r.anew(t.last)) == 0
}

// asksEarly tells whether the chain before conntrack is in force as it was made.
func (t *Table) asksEarly() bool {
	c, there := t.last.Chains[earlyChain]
	return there && c.Base != "" && t.kept[earlyChain] != ""
}

// replaceInSteps is replace for a ruleset that may ask for bans before conntrack, where the last one did not: a packet may have
// passed the one hook before the swap and come to the other after it, so first they are asked for at both. Then the ruleset is
// in force; whole is false where it stays so.
func (t *Table) replaceInSteps(ctx context.Context, r *Ruleset) (whole bool, err error) {
	if r.careful == nil || t.asksEarly() {
		return true, t.replace(ctx, r)
	}
	careful := r.carefully()
	if err := t.replace(ctx, &careful); err != nil {
		return false, err
	}
	if err := t.replace(ctx, r); err != nil {
		t.log.Warn("who is banned is asked for twice, until the next change", "error", err)
		return false, nil
	}
	return true, nil
}

// replace loads what is new and swaps the rules, where anything is new.
func (t *Table) replace(ctx context.Context, r *Ruleset) error {
	p, err := t.plan(r)
	if err != nil {
		return err
	}
	if swap := p.swap(); p.changes(swap) {
		return t.execute(ctx, p, swap)
	}
	return nil
}

// execute carries a plan out: all of it, or nothing stays of it.
func (t *Table) execute(ctx context.Context, p *plan, swap *batch) error {
	t.recordUnfinished()
	before := t.last
	if err := p.stage(func(b *batch) error { return t.change(ctx, b) }, t.filler(ctx).fill); err != nil {
		return errors.Join(fmt.Errorf("load what is new: %w", err), t.takeBack(before), t.record())
	}
	if err := t.swap(ctx, p, swap); err != nil {
		return errors.Join(fmt.Errorf("swap rules: %w", err), t.takeBack(before), t.record())
	}
	return nil
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
	_, err := t.look(ctx, nil, nil, nil)
	return err
}

// look reads the table. Chains, and the elements of sets, that are known to be as they were made are not read again, but for
// chains that were changed: with many of them that takes longer than all the rest. Of sets that were just loaded, the elements
// are counted.
func (t *Table) look(ctx context.Context, changed map[string]bool, loaded map[string]elementsHeld, made [][]*plannedChain) (*snapshot, error) {
	// Where others may change the table too, a change that is not ours may be one of it.
	trusting := t.owned || !t.moved
	kept := func(chain string) bool { return trusting && t.kept[chain] != "" && !changed[chain] }
	trusted := func(set string) bool { return trusting && t.trusted(set) }
	if !trusting {
		loaded, made = nil, nil
	}
	got, err := t.socket.read(ctx, unread{
		chain: kept,
		counts: func(set string) int {
			if trusted(set) {
				return 0
			}
			return t.counts[set]
		},
		loaded: loaded, made: made, rules: max(t.rules, t.last.rules()),
	})
	if err != nil {
		return nil, err
	}
	if got == nil {
		return nil, fmt.Errorf("table inet %s is gone", tableName)
	}
	for name, state := range got.Sets {
		if trusted(name) {
			state.Holds, state.Count, state.Hash = t.last.Sets[name].Holds, t.last.Sets[name].Count, t.last.Sets[name].Hash
			got.Sets[name] = state
		}
	}
	for name := range t.kept {
		was := t.last.Chains[name]
		is, there := got.Chains[name]
		switch {
		case !there || is.Base != was.Base:
			delete(t.kept, name)
		case kept(name):
			got.Chains[name] = was
		case is.Handles != was.Handles:
			delete(t.kept, name)
		}
	}
	t.moved = !t.owned && t.last != nil && got.Generation != t.last.Generation
	t.last = got
	return got, nil
}

// trusted tells whether a set is as it was loaded.
func (t *Table) trusted(set string) bool {
	return t.last != nil && t.last.Sets[set].Holds != "" && t.held[t.last.Sets[set].Holds] == set
}

// roomFor bounds a transaction that may be cut in pieces, so that a big list does not take as much memory again.
func (s *socket) roomFor() int { return min(s.room, 16<<20) - maxElementBytes - 1<<10 }

// fillRoom bounds one that holds nothing but the elements of a long list.
func (s *socket) fillRoom() int { return min(s.room-maxElementBytes-(4<<10), fillBytes) }

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

// takeBack deletes what was loaded for nothing.
func (t *Table) takeBack(before *snapshot) error {
	// Also where the caller's time is up.
	got, err := t.look(context.Background(), nil, nil, nil)
	if err != nil {
		return err
	}
	var b batch
	var chains []string
	for _, name := range slices.Sorted(maps.Keys(got.Chains)) {
		if _, there := before.Chains[name]; !there {
			b.flushChain(name)
			chains = append(chains, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got.Sets)) {
		if _, there := before.Sets[name]; !there && !got.Sets[name].anonymous {
			delete(t.counts, name)
			b.discardSet(name, got.Sets[name])
		}
	}
	for _, name := range chains {
		b.deleteChain(name)
	}
	for _, name := range slices.Sorted(maps.Keys(got.counters)) {
		if _, there := before.counters[name]; !there {
			b.deleteObject(object{name, unix.NFT_OBJECT_COUNTER})
		}
	}
	if len(b.messages) == 0 {
		return nil
	}
	if err := t.change(context.Background(), &b); err != nil {
		return fmt.Errorf("take back what was loaded: %w", err)
	}
	_, err = t.look(context.Background(), nil, nil, nil)
	return err
}
