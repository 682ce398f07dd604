package enforce

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
)

// Takeover looks whether there is a table of an earlier process and, where there is, makes it this process's own and tells
// in words what differs from what that process left: nothing where it is untouched. Rules stay in force as they are until
// Apply. What was changed is not trusted: Apply loads it anew. So it does with sets too big to be read back, where any
// ruleset of the kernel has changed meanwhile.
func (t *Table) Takeover(ctx context.Context) (found bool, tampered []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	table, err := t.socket.table()
	if table == nil || err != nil {
		return false, nil, err
	}
	before, err := t.socket.generation()
	if err != nil {
		return false, nil, err
	}
	if err := t.makeReady(ctx); err != nil {
		return true, nil, fmt.Errorf("take over table inet %s: %w", tableName, err)
	}
	was, err := t.recorded()
	if err != nil {
		// A record that cannot be read is none: everything is loaded anew.
		t.log.Warn("what was left in force is not known", "error", err)
	}
	if was != nil {
		for name, s := range was.Sets {
			t.counts[name] = s.Count
		}
		t.rules = was.rules()
	}
	got, err := t.look(ctx, nil, nil, nil)
	if err != nil {
		return true, nil, err
	}
	if was == nil {
		return true, []string{"there is no record of what was left in force"}, nil
	}
	if was.Form != recordForm {
		t.log.Info("the last process was of another version, so all is loaded anew")
		return true, nil, nil
	}
	if was.Unfinished {
		// What is in force may be its last policy or the one before. Nothing of it is trusted.
		t.log.Info("the last process ended while it put a policy in force")
		return true, nil, nil
	}
	t.left = &was.snapshot
	// Adopting the table is one transaction of ours; without an owner there is none.
	untouched := before == was.Generation && got.Generation-before <= 1
	for name, s := range was.Sets {
		is, there := got.Sets[name]
		if s.Holds == "" || !there || is.Shape != s.Shape || is.Hash != s.Hash || is.Hash == "" && !untouched {
			continue
		}
		t.held[s.Holds] = name
		is.Holds, is.Count = s.Holds, s.Count
		got.Sets[name] = is
	}
	for name, c := range was.Chains {
		is, there := got.Chains[name]
		if c.Holds == "" || !there || is.Base != c.Base || is.Handles != c.Handles {
			continue
		}
		t.kept[name] = c.Holds
		is.Holds = c.Holds
		got.Chains[name] = is
	}
	// Adopting woke it.
	asleep := *got
	asleep.asleep = table.Flags&nftables.TableFlagDormant != 0
	return true, differences(t.left, &asleep), nil
}

// Verify tells in words what differs from what was put in force, nothing where all is as it was. What was changed is not
// trusted any more: Apply loads it anew. Sets too big to be read back are taken on trust.
func (t *Table) Verify(ctx context.Context) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.verify(ctx)
}

func (t *Table) verify(ctx context.Context) ([]string, error) {
	if t.left == nil {
		return nil, nil
	}
	got, err := t.socket.read(ctx, t.everything())
	if err != nil {
		return nil, err
	}
	if got == nil {
		t.forget()
		return []string{fmt.Sprintf("table inet %s: is gone", tableName)}, nil
	}
	for contents, name := range t.held {
		was, is := t.left.Sets[name], got.Sets[name]
		if is.Shape != was.Shape || is.Hash != was.Hash {
			delete(t.held, contents)
			continue
		}
		is.Holds, is.Count = contents, t.counts[name]
		got.Sets[name] = is
	}
	for name, hash := range t.kept {
		was, is := t.left.Chains[name], got.Chains[name]
		if is.Base != was.Base || is.Handles != was.Handles {
			delete(t.kept, name)
			continue
		}
		is.Holds = hash
		got.Chains[name] = is
	}
	t.last, t.moved = got, false
	differs := differences(t.left, got)
	if len(differs) == 0 {
		t.left = got
	}
	return differs, nil
}

// everything is what is read where nothing is trusted.
func (t *Table) everything() unread {
	return unread{chain: func(string) bool { return false }, counts: func(set string) int { return t.counts[set] }, rules: t.left.rules()}
}

// differences tells in what the table is not what was left.
func differences(was, is *snapshot) []string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	if is.asleep {
		say("table inet %s: is asleep (flags dormant)", tableName)
	}
	for _, name := range slices.Sorted(maps.Keys(was.Chains)) {
		a, b := was.Chains[name], is.Chains[name]
		_, there := is.Chains[name]
		switch {
		case !there:
			say("chain %s: is gone", name)
		case a.Base != b.Base:
			say("chain %s: %s where %s was left", name, orNone(b.Base), orNone(a.Base))
		case a.Rules != b.Rules:
			say("chain %s: %d rules where %d were left", name, b.Rules, a.Rules)
		case a.Handles != b.Handles:
			say("chain %s: other rules than those that were left", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is.Chains)) {
		if _, there := was.Chains[name]; !there {
			say("chain %s: was added", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was.Sets)) {
		a, b := was.Sets[name], is.Sets[name]
		_, there := is.Sets[name]
		switch {
		case !there:
			say("%s %s: is gone", a.noun(), name)
		case a.Shape != b.Shape:
			say("%s %s: %s where %s was left", a.noun(), name, b.Shape, a.Shape)
		case a.Hash != b.Hash:
			say("%s %s: other elements than those that were left", a.noun(), name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is.Sets)) {
		if _, there := was.Sets[name]; !there {
			say("%s %s: was added", is.Sets[name].noun(), name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was.counters)) {
		if _, there := is.counters[name]; !there {
			say("counter %s: is gone", name)
		}
	}
	for _, o := range is.strangers {
		say("object %s: was added", o.name)
	}
	return out
}

func (s setState) noun() string {
	if s.Leads {
		return "map"
	}
	return "set"
}

func orNone(base string) string {
	if base == "" {
		return "no hook"
	}
	return base
}

// seize replaces a table of this name that is no pfwd's, as it cannot be owned, by one that is ours. Until Apply it lets
// nothing in or out but what belongs to connections that are there. Where the kernel has no owners, nothing changes.
func (t *Table) seize(ctx context.Context) error {
	var b batch
	b.addTable(0)
	b.deleteTable()
	b.addTable(flagOwner | flagPersist)
	for _, c := range shut() {
		b.addChain(&c, accept)
		var rules [][]byte
		for _, r := range c.rules {
			data, err := marshalRule(r, func(set string) string { return set })
			if err != nil {
				return err
			}
			rules = append(rules, data)
		}
		b.addRules(c.name, rules)
		b.addChain(&c, c.policy)
	}
	return t.socket.commit(ctx, &b)
}
