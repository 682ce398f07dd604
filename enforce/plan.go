package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// plan is how the table becomes what a ruleset wants. What nobody refers to yet is put there first: new sets, maps, counters
// and chains. The kernel switches rules to a set sooner than it can look things up in it, so no rule that packets meet may
// refer to a set or a map of the same transaction. Then one transaction changes the rules that packets meet, and takes away
// what is not wanted any more. What is there already, and as it was left, is not touched.
type plan struct {
	ruleset *Ruleset
	table   *Table
	// names maps the contents of sets to their names in the kernel; fresh are those that are to be loaded.
	names map[string]string
	fresh map[string]bool
	// chains are the ruleset's by name.
	chains map[string]*plannedChain
}

type plannedChain struct {
	*chain
	// rules are as they are sent, none of a chain that is kept.
	rules [][]byte
	// hash is of the rules as they are sent.
	hash string
	// there says that a chain of the name and at the same hook is in the kernel, kept that it has these rules.
	there, kept bool
	// late says that its rules ask a dynamic set that is made anew: they cannot be there before it, nor after the old one.
	late bool
}

// plan compares the ruleset with the table as it was read last.
func (t *Table) plan(r *Ruleset) (*plan, error) { return t.planBy(r, t.held) }

// planBy is plan where held maps contents to the sets that hold them.
func (t *Table) planBy(r *Ruleset, held map[string]string) (*plan, error) {
	p := &plan{ruleset: r, table: t, names: map[string]string{}, fresh: map[string]bool{}, chains: make(map[string]*plannedChain, len(r.chains))}
	for i := range r.sets {
		s := &r.sets[i]
		switch name, there := held[s.name]; {
		case s.dynamic:
		case there:
			p.names[s.name] = name
		default:
			p.names[s.name] = t.freshName(s.name)
			p.fresh[s.name] = true
		}
	}
	anew := r.anew(t.last)
	// One that is not there at all is loaded before the rules.
	maps.DeleteFunc(anew, func(name string, _ bool) bool { _, there := t.last.Sets[name]; return !there })
	t.rules = 0
	planned := make([]plannedChain, len(r.chains))
	var buffer []byte
	var ends []int
	for i := range r.chains {
		c := &planned[i]
		c.chain = &r.chains[i]
		t.rules += len(c.chain.rules)
		buffer, ends = buffer[:0], ends[:0]
		for _, line := range c.chain.rules {
			var err error
			if buffer, err = appendRule(buffer, line, p.kernelName); err != nil {
				return nil, err
			}
			ends = append(ends, len(buffer))
		}
		sum := sha256.Sum256(buffer)
		c.hash = hex.EncodeToString(sum[:])
		was, there := t.last.Chains[c.name]
		c.there = there && sameHook(c.base(), was.Base)
		c.late = len(anew) > 0 && c.asks(anew)
		c.kept = c.there && t.kept[c.name] == c.hash && !c.late
		if !c.kept {
			c.rules = parts(slices.Clone(buffer), ends)
		}
		p.chains[c.name] = c
	}
	return p, nil
}

// parts cuts what is written one after the other.
func parts(all []byte, ends []int) [][]byte {
	out, from := make([][]byte, len(ends)), 0
	for i, end := range ends {
		out[i], from = all[from:end], end
	}
	return out
}

// kernelName gives the name that a set bears in the kernel.
func (p *plan) kernelName(set string) string {
	if name, ok := p.names[set]; ok {
		return name
	}
	return set
}

// ordered gives the chains as the ruleset has them.
func (p *plan) ordered(want func(*plannedChain) bool) []*plannedChain {
	var out []*plannedChain
	for i := range p.ruleset.chains {
		if c := p.chains[p.ruleset.chains[i].name]; want(c) {
			out = append(out, c)
		}
	}
	return out
}

// staged tells whether a chain is put there before the rules that lead to it.
func (c *plannedChain) staged() bool { return c.at == 0 && !c.there }

// swapped tells whether a chain's rules are changed at once with all others that are.
func (c *plannedChain) swapped() bool { return (c.late || !c.staged()) && !c.kept }

// asks tells whether a rule of the chain asks one of the sets, or fills it.
func (c *chain) asks(sets map[string]bool) bool {
	for _, r := range c.rules {
		for _, s := range r.statements {
			for _, e := range s.exprs() {
				switch e := e.(type) {
				case *expr.Lookup:
					if sets[e.SetName] {
						return true
					}
				case *expr.Dynset:
					if sets[e.SetName] {
						return true
					}
				}
			}
		}
	}
	return false
}

// swap writes the transaction that changes what packets meet; it is empty where nothing is to be changed.
func (p *plan) swap() *batch {
	t, b := p.table, &batch{}
	// With its flags again: somebody may have put the table to sleep.
	b.addTable(t.flags())
	gone := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(t.last.Chains)) {
		if c := p.chains[name]; c == nil || !c.there {
			gone[name] = true
			b.flushChain(name)
		}
	}
	for _, c := range p.ordered(func(c *plannedChain) bool { return c.there && c.swapped() }) {
		b.flushChain(c.name)
	}
	p.swapSets(b)
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		b.deleteChain(name)
	}
	for _, o := range t.last.strangers {
		b.deleteObject(o)
	}
	for _, c := range p.ordered(func(c *plannedChain) bool { return c.swapped() && !c.there && !c.staged() }) {
		b.addChain(c.chain, accept)
	}
	for _, c := range p.ordered((*plannedChain).swapped) {
		b.addRules(c.name, c.rules)
	}
	for _, c := range p.ordered(func(c *plannedChain) bool { return c.at != 0 }) {
		if t.last.Chains[c.name].Base != c.base() {
			b.addChain(c.chain, c.policy)
		}
	}
	if len(b.messages) == 1 && !t.last.asleep {
		return &batch{}
	}
	return b
}

// swapSets deletes the sets that are asked for no more, and makes dynamic ones of another shape anew.
func (p *plan) swapSets(b *batch) {
	t, stay := p.table, map[string]bool{}
	for _, name := range p.names {
		stay[name] = true
	}
	for i := range p.ruleset.sets {
		if s := &p.ruleset.sets[i]; s.dynamic {
			stay[s.name] = s.stays(t.last)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.last.Sets)) {
		if !stay[name] && !t.last.Sets[name].anonymous {
			b.discardSet(name, t.last.Sets[name])
		}
	}
	for i := range p.ruleset.sets {
		s := &p.ruleset.sets[i]
		if _, there := t.last.Sets[s.name]; !s.dynamic || stay[s.name] || !there {
			continue
		}
		b.addSet(s, s.name)
		e := b.elementsOf("add", unix.NFT_MSG_NEWSETELEM, s.name)
		for x := range s.elements {
			e.add(x)
		}
		for _, x := range s.carried {
			e.add(x)
		}
		e.flush()
	}
}

// stage puts there what nobody refers to yet: in pieces, so that a big list does not take as much memory again. fill puts
// the elements of a long list into a set that is there.
func (p *plan) stage(commit func(*batch) error, fill func(s *set, kernelName string) error) error {
	t, b := p.table, &batch{}
	cut := func(more int) error {
		if len(b.buffer)+more <= t.socket.roomFor() {
			return nil
		}
		full := *b
		*b = batch{}
		return commit(&full)
	}
	for _, name := range p.ruleset.counters {
		if _, there := t.last.counters[name]; !there {
			b.addCounter(name)
		}
	}
	staged := p.ordered((*plannedChain).staged)
	for _, c := range staged {
		b.addChain(c.chain, accept)
		if err := cut(0); err != nil {
			return err
		}
	}
	var long []*set
	for i := range p.ruleset.sets {
		s := &p.ruleset.sets[i]
		if _, there := t.last.Sets[s.name]; s.dynamic && !there {
			b.addSet(s, s.name)
			e := b.elementsOf("add", unix.NFT_MSG_NEWSETELEM, s.name)
			for x := range s.elements {
				e.add(x)
			}
			e.flush()
		}
		if !p.fresh[s.name] {
			continue
		}
		name := p.names[s.name]
		t.counts[name] = s.length()
		b.addSet(s, name)
		if s.to == nil && s.count > bigList {
			long = append(long, s)
			continue
		}
		e := b.elementsOf("add", unix.NFT_MSG_NEWSETELEM, name)
		for x := range s.elements {
			e.add(x)
			if len(e.list) == 0 {
				if err := cut(maxElementBytes); err != nil {
					return err
				}
			}
		}
		e.flush()
	}
	if len(long) > 0 {
		if err := commit(b); err != nil {
			return err
		}
		b = &batch{}
	}
	for _, s := range long {
		if err := fill(s, p.names[s.name]); err != nil {
			return err
		}
	}
	for _, c := range staged {
		if c.late {
			continue
		}
		// One after the other, with no other message that makes something: the kernel numbers what is made, see made.
		b.addRules(c.name, c.rules)
		if err := cut(0); err != nil {
			return err
		}
	}
	if len(b.messages) == 0 {
		return nil
	}
	return commit(b)
}
