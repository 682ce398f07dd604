package enforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// swap replaces the rules in one transaction and reads back what came of it. names gives the sets by their contents.
func (t *Table) swap(ctx context.Context, r Ruleset, names map[string]string) error {
	before := t.last
	b := t.swapBatch(r, names)
	failed := t.change(ctx, b)
	// The answer alone proves nothing, and after some errors the ruleset is in force all the same.
	got, err := t.look(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(failed, err)
	}
	if failed != nil && !errors.Is(failed, errUnknownOutcome) {
		return failed
	}
	if wrong := r.missing(got, before, names); len(wrong) > 0 {
		return errors.Join(failed, fmt.Errorf("the kernel does not have what it was given: %s", strings.Join(wrong, "; ")))
	}
	for contents, name := range names {
		state := got.Sets[name]
		state.Holds, state.Count = contents, t.counts[name]
		got.Sets[name] = state
	}
	return nil
}

func (t *Table) swapBatch(r Ruleset, names map[string]string) *batch {
	var b batch
	// With its flags again: somebody may have put the table to sleep.
	b.addTable(t.flags())
	b.flushRules()
	wanted := map[string]*chain{}
	for i := range r.chains {
		wanted[r.chains[i].name] = &r.chains[i]
	}
	stay := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(t.last.Chains)) {
		c := wanted[name]
		if stay[name] = c != nil && sameHook(c.base(), t.last.Chains[name].Base); !stay[name] {
			b.deleteChain(name)
		}
	}
	t.swapSets(&b, r, names)
	for _, o := range t.last.strangers {
		b.deleteObject(o)
	}
	for _, name := range r.counters {
		if _, there := t.last.counters[name]; !there {
			b.addCounter(name)
		}
	}
	for i := range r.chains {
		if c := &r.chains[i]; !stay[c.name] {
			b.addChain(c, accept)
		}
	}
	for i := range r.chains {
		b.addRules(&r.chains[i], func(set string) string {
			if name, ok := names[set]; ok {
				return name
			}
			return set
		})
	}
	for i := range r.chains {
		if c := &r.chains[i]; c.at != 0 {
			b.addChain(c, c.policy)
		}
	}
	return &b
}

// swapSets deletes the sets that are asked for no more, and adds dynamic ones that are missing or of another shape.
func (t *Table) swapSets(b *batch, r Ruleset, names map[string]string) {
	stay := map[string]bool{}
	for _, name := range names {
		stay[name] = true
	}
	for i := range r.sets {
		if s := &r.sets[i]; s.dynamic {
			stay[s.name] = s.stays(t.last)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.last.Sets)) {
		if !stay[name] && !t.last.Sets[name].anonymous {
			b.deleteSet(name)
		}
	}
	for i := range r.sets {
		if s := &r.sets[i]; s.dynamic && !stay[s.name] {
			b.addSet(s, s.name)
		}
	}
}

// stays tells whether a dynamic set goes on as it is in the kernel, with what it holds.
func (s *set) stays(before *snapshot) bool { return before.Sets[s.name].Shape == s.shape() }

// empties tells whether a swap makes a dynamic set anew.
func (r *Ruleset) empties(before *snapshot) bool {
	return slices.ContainsFunc(r.sets, func(s set) bool { return s.dynamic && !s.stays(before) })
}

// missing tells in what the kernel has not what it was given.
func (r *Ruleset) missing(got, before *snapshot, names map[string]string) []string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	newest := uint64(0)
	for _, c := range before.Chains {
		newest = max(newest, c.newest)
	}
	if len(got.Chains) != len(r.chains) {
		say("%d chains of %d", len(got.Chains), len(r.chains))
	}
	for i := range r.chains {
		c := &r.chains[i]
		state, there := got.Chains[c.name]
		switch {
		case !there:
			say("chain %s is not there", c.name)
		case state.Rules != len(c.rules):
			say("chain %s has %d rules of %d", c.name, state.Rules, len(c.rules))
		case state.Base != c.base():
			say("chain %s is %s and not %s", c.name, state.Base, c.base())
		case state.Rules > 0 && state.oldest <= newest:
			say("chain %s still has the rules of before", c.name)
		}
	}
	for i := range r.sets {
		s := &r.sets[i]
		name := s.name
		if other, ok := names[name]; ok {
			name = other
		}
		state, there := got.Sets[name]
		switch {
		case !there:
			say("set %s is not there", name)
		case state.Shape != s.shape():
			say("set %s is %s and not %s", name, state.Shape, s.shape())
		case s.hash() != state.Hash:
			say("set %s does not have the elements that it was given", name)
		}
	}
	for _, name := range r.counters {
		if _, there := got.counters[name]; !there {
			say("counter %s is not there", name)
		}
	}
	return out
}

// retire reads the counters that no rule has any more a last time, and deletes them.
func (t *Table) retire(ctx context.Context, wanted []string) (Counters, error) {
	// What the rules were swapped away from counts no more, so the reading after the swap is the last.
	gone := maps.Clone(t.last.counters)
	for _, name := range wanted {
		delete(gone, name)
	}
	if len(gone) == 0 {
		return newCounters(), nil
	}
	var b batch
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		b.deleteObject(object{name, unix.NFT_OBJECT_COUNTER})
	}
	if err := t.change(ctx, &b); err != nil {
		return newCounters(), err
	}
	for name := range gone {
		delete(t.last.counters, name)
	}
	return t.placed(gone), nil
}
