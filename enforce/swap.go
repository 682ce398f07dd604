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

// changes tells whether there is anything to do.
func (p *plan) changes(swap *batch) bool {
	if len(swap.messages) > 0 || len(p.fresh) > 0 {
		return true
	}
	for _, name := range p.ruleset.counters {
		if _, there := p.table.last.counters[name]; !there {
			return true
		}
	}
	if len(p.ruleset.anew(p.table.last)) > 0 {
		return true
	}
	for _, c := range p.chains {
		if c.staged() {
			return true
		}
	}
	return false
}

// swap changes the rules that packets meet in one transaction, and reads back what came of all of the plan.
func (t *Table) swap(ctx context.Context, p *plan, b *batch) error {
	before := t.last
	var failed error
	if len(b.messages) > 0 {
		failed = t.change(ctx, b)
	}
	// The answer alone proves nothing, and after some errors the ruleset is in force all the same.
	changed := map[string]bool{}
	for name, c := range p.chains {
		changed[name] = c.swapped() || before.Chains[name].Base != c.base()
	}
	loaded := p.loaded()
	trusted, made := loaded, p.made()
	if failed != nil {
		trusted, made = nil, nil
	}
	got, err := t.look(context.WithoutCancel(ctx), changed, trusted, made)
	if err != nil {
		return errors.Join(failed, err)
	}
	if failed != nil && !errors.Is(failed, errUnknownOutcome) {
		return failed
	}
	if wrong := p.missing(got, before, loaded); len(wrong) > 0 {
		return errors.Join(failed, fmt.Errorf("the kernel does not have what it was given: %s", strings.Join(wrong, "; ")))
	}
	t.held = p.names
	maps.DeleteFunc(t.counts, func(name string, _ int) bool { _, there := got.Sets[name]; return !there })
	for contents, name := range p.names {
		state := got.Sets[name]
		state.Holds, state.Count = contents, t.counts[name]
		got.Sets[name] = state
	}
	for name, c := range p.chains {
		state := got.Chains[name]
		state.Holds = c.hash
		got.Chains[name] = state
		t.kept[name] = c.hash
	}
	return nil
}

// stays tells whether a dynamic set goes on as it is in the kernel, with what it holds.
func (s *set) stays(before *snapshot) bool { return before.Sets[s.name].Shape == s.shape() }

// anew gives the dynamic sets that are not in the kernel as they are to be.
func (r *Ruleset) anew(before *snapshot) map[string]bool {
	out := map[string]bool{}
	for i := range r.sets {
		if s := &r.sets[i]; s.dynamic && !s.stays(before) {
			out[s.name] = true
		}
	}
	return out
}

// loaded is what the sets that were loaded hold, by their names in the kernel.
func (p *plan) loaded() map[string]elementsHeld {
	out := map[string]elementsHeld{}
	for i := range p.ruleset.sets {
		if s := &p.ruleset.sets[i]; p.fresh[s.name] {
			out[p.names[s.name]] = s.held()
		}
	}
	return out
}

// made gives the chains whose rules are written one after the other: those of stage, and those of swap.
func (p *plan) made() [][]*plannedChain {
	staged := p.ordered(func(c *plannedChain) bool { return c.staged() && !c.late })
	return [][]*plannedChain{staged, p.ordered((*plannedChain).swapped)}
}

// missing tells in what the kernel has not what it was given.
func (p *plan) missing(got, before *snapshot, loaded map[string]elementsHeld) []string {
	var out []string
	r := p.ruleset
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
		case p.chains[c.name].kept:
			if state.Handles != before.Chains[c.name].Handles {
				say("chain %s has other rules than before", c.name)
			}
		case state.Rules > 0 && state.oldest <= newest:
			say("chain %s still has the rules of before", c.name)
		}
	}
	for i := range r.sets {
		s := &r.sets[i]
		name := p.kernelName(s.name)
		state, there := got.Sets[name]
		switch {
		case !there:
			say("set %s is not there", name)
		case state.Shape != s.shape():
			say("set %s is %s and not %s", name, state.Shape, s.shape())
		case p.fresh[s.name] && state.Hash != loaded[name].hash || !p.fresh[s.name] && state.Hash != before.Sets[name].Hash || s.share != nil && state.elements > 0 && state.elements != s.count:
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

// retire reads the counters that no rule has any more a last time, and deletes them. What counted a rule's log stays as long
// as the rule does, so that it goes on when the rule logs again.
func (t *Table) retire(ctx context.Context, wanted []string) (Counters, error) {
	// What the rules were swapped away from counts no more, so the reading after the swap is the last.
	gone := maps.Clone(t.last.counters)
	for _, name := range wanted {
		for _, kind := range []string{"", overCounter, sentCounter} {
			delete(gone, kind+name)
		}
	}
	if len(gone) == 0 {
		return newCounters(), nil
	}
	var b batch
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		b.deleteObject(object{name, unix.NFT_OBJECT_COUNTER})
	}
	t.recordUnfinished()
	if err := t.change(ctx, &b); err != nil {
		return newCounters(), err
	}
	for name := range gone {
		delete(t.last.counters, name)
	}
	return t.placed(gone), nil
}
