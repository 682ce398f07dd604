package enforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// snapshot is the table as it is in the kernel, as far as it can be compared.
type snapshot struct {
	Generation uint32                `json:"generation"`
	Chains     map[string]chainState `json:"chains"`
	Sets       map[string]setState   `json:"sets"`

	asleep   bool
	counters map[string]Counter
	// strangers are named objects of kinds that pfw does not use.
	strangers []object
}

type chainState struct {
	// Base is the hook, priority, type and policy in words, "" for a chain at no hook.
	Base  string `json:"base,omitempty"`
	Rules int    `json:"rules"`
	// Handles are those of the rules, in order, in short; "" where there is none. A rule's handle is no other rule's, as long
	// as the table is there, and what it says does not change: so the rules are the same where their handles are.
	Handles string `json:"handles,omitempty"`
	// Holds is the hash of the rules as they were sent.
	Holds string `json:"holds,omitempty"`
	// oldest and newest are the lowest and the highest handle of its rules: handles rise.
	oldest uint64
	newest uint64
}

type setState struct {
	// Shape is the type of the keys, the flags and the size of a dynamic set in words.
	Shape string `json:"shape"`
	// Holds names the contents that were loaded into the set, and Count how many spans they have. Empty of a dynamic set.
	Holds string `json:"holds,omitempty"`
	Count int    `json:"count,omitempty"`
	// Hash is of the elements, "" of a set that is dynamic or too big to be read back.
	Hash string `json:"hash,omitempty"`

	// elements is how many the kernel counts, 0 where it does not tell; room is for how many there is room, 0 for any number.
	elements, room int
	// anonymous sets belong to one rule and go with it.
	anonymous bool
	// Leads says that it is a map.
	Leads bool `json:"leads,omitempty"`
}

// readBack is up to how many elements of a set are read from the kernel. Reading an interval set takes the square of
// its size: minutes for a million.
const readBack = 4096

// errTorn says that the ruleset changed while it was read.
var errTorn = errors.New("the ruleset changed while it was read")

// unread says what need not be read: chains and sets that are known to be as they were.
type unread struct {
	chain func(name string) bool
	// counts tells how many elements a set has at most, 0 for one that is not to be read.
	counts func(set string) int
	// loaded are the sets that were just loaded: where the kernel counts as many elements, they are not read.
	loaded map[string]elementsHeld
	// made are the chains whose rules were just made, by one piece of writing after the other.
	made [][]*plannedChain
	// rules is how many there are, as far as is known.
	rules int
}

// read takes a snapshot; nil where there is no table.
func (s *socket) read(ctx context.Context, but unread) (*snapshot, error) {
	const tries = 10
	var last *snapshot
	for range tries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, err := s.readOnce(but)
		if !errors.Is(err, errTorn) {
			return got, err
		}
		// Where others change their own tables all the time, ours is what it is found to be twice.
		if last != nil && last.same(got) {
			return got, nil
		}
		last = got
	}
	return nil, fmt.Errorf("read table %s: %w, %d times", tableName, errTorn, tries)
}

// same tells whether two snapshots have all in common but the ruleset's generation and what was counted.
func (a *snapshot) same(b *snapshot) bool {
	if b == nil || a.asleep != b.asleep || len(a.counters) != len(b.counters) {
		return false
	}
	for name := range a.counters {
		if _, there := b.counters[name]; !there {
			return false
		}
	}
	return maps.Equal(a.Chains, b.Chains) && maps.Equal(a.Sets, b.Sets) && slices.Equal(a.strangers, b.strangers)
}

// rules counts those of all chains.
func (a *snapshot) rules() (n int) {
	if a != nil {
		for _, c := range a.Chains {
			n += c.Rules
		}
	}
	return n
}

// readOnce gives what it read with errTorn, too.
func (s *socket) readOnce(but unread) (*snapshot, error) {
	before, err := s.generation()
	if err != nil {
		return nil, err
	}
	got := &snapshot{Generation: before, Chains: map[string]chainState{}, Sets: map[string]setState{}, counters: map[string]Counter{}}
	table, err := s.table()
	if table == nil || err != nil {
		return nil, err
	}
	got.asleep = table.Flags&nftables.TableFlagDormant != 0
	torn := false
	for _, part := range []func(*snapshot) error{
		s.readChains,
		func(got *snapshot) error { return s.readRules(got, but) },
		s.readCounters,
		func(got *snapshot) error { return s.readSets(got, but) },
	} {
		err := part(got)
		if torn = torn || errors.Is(err, errTorn); err != nil && !errors.Is(err, errTorn) {
			return nil, fmt.Errorf("read table %s: %w", tableName, err)
		}
	}
	after, err := s.generation()
	if err == nil && (torn || after != before) {
		err = errTorn
	}
	return got, err
}

var inet = &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}

// table finds pfw's table; nil where there is none.
func (s *socket) table() (*nftables.Table, error) {
	t, err := s.lib.ListTableOfFamily(tableName, nftables.TableFamilyINet)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for table %s: %w", tableName, err)
	}
	return t, nil
}
