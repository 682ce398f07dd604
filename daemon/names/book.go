package names

import (
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"pfw/config/policy"
)

// An answer holds for as long as it says, within bounds: programs keep an address for a while whatever the answer says, and an
// answer that holds for weeks must not open a hole, or block somebody else, for weeks.
const (
	Shortest = time.Minute
	Longest  = 24 * time.Hour
	// A rule takes an address for a name's by an eighth longer, so that an answer that comes again and again, with a little less
	// time left or the same, does not change the rules' sets each time.
	grace = 8
)

// Book remembers what names have which addresses. Its methods may be called from any goroutine.
type Book struct {
	now func() time.Time

	mu sync.Mutex
	// rules are the names that rules are about, and their addresses, those of before included, each until when.
	rules map[policy.Domain]map[netip.Addr]time.Time
	// former are those that rules were about, while addresses are theirs: a policy may come back.
	former map[policy.Domain]map[netip.Addr]time.Time
	// updated is when an answer last told of each.
	updated map[policy.Domain]time.Time
	seen    map[string]*seen
	// held counts the addresses of all that were seen.
	held int
	// spelled is who was asked for last with the address.
	spelled map[netip.Addr]string
	unsaved bool
}

// NewBook makes an empty one.
func NewBook() *Book {
	return &Book{now: time.Now, rules: map[policy.Domain]map[netip.Addr]time.Time{}, former: map[policy.Domain]map[netip.Addr]time.Time{}, updated: map[policy.Domain]time.Time{}, seen: map[string]*seen{}, spelled: map[netip.Addr]string{}}
}

// Named implements policy.Naming.
func (b *Book) Named(d policy.Domain, a netip.Addr) (now, once bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, once := b.rules[d][a]
	return once && until.After(b.now()), once
}

// Name gives the name that was asked for last with the address, "" where none is known.
func (b *Book) Name(a netip.Addr) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spelled[a.Unmap()]
}

// Updated is when an answer last told of a name, zero where none did.
func (b *Book) Updated(d policy.Domain) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.updated[d]
}

// Addresses gives those that a name has now.
func (b *Book) Addresses(d policy.Domain) map[netip.Addr]time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := maps.Clone(b.rules[d])
	maps.DeleteFunc(out, func(_ netip.Addr, until time.Time) bool { return !until.After(b.now()) })
	return out
}

// About says which names rules are about.
func (b *Book) About(list []policy.Domain) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	maps.Copy(b.former, b.rules)
	rules := make(map[policy.Domain]map[netip.Addr]time.Time, len(list))
	for _, d := range list {
		if rules[d] = b.former[d]; rules[d] != nil {
			delete(b.former, d)
			continue
		}
		rules[d] = map[netip.Addr]time.Time{}
		name, below := d.Name()
		if !below {
			maps.Copy(rules[d], b.resolve(name))
			continue
		}
		for of := range b.seen {
			if strings.HasSuffix(of, "."+name) {
				maps.Copy(rules[d], b.resolve(of))
			}
		}
	}
	maps.DeleteFunc(b.former, func(_ policy.Domain, of map[netip.Addr]time.Time) bool {
		for _, until := range of {
			if until.After(now) {
				return false
			}
		}
		return true
	})
	if len(b.former) > mostNames {
		clear(b.former)
	}
	maps.DeleteFunc(b.updated, func(d policy.Domain, _ time.Time) bool { return rules[d] == nil })
	b.rules, b.unsaved = rules, true
}
