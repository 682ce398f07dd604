package names

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"pfw/config/policy"
)

// Bounds of what is remembered.
const (
	mostNames   = 8192  // that were seen
	mostOfName  = 512   // addresses of one name
	mostOfAll   = 65536 // addresses of all names that were seen
	mostAliases = 64    // other names for one name
	mostKnown   = 8192  // addresses that a name in a rule has or had
	mostSpelled = 16384 // addresses of which it is known who asked for them
	mostSteps   = 16    // from name to name; resolvers follow about as many
	// What is full is made emptier by a part, so that to look for what to leave out is seldom done.
	spare = 8
)

// seen is a name of which answers were seen.
type seen struct {
	addresses map[netip.Addr]time.Time
	// target is what the name is another name for, and from are the names of which this is the target.
	target string
	until  time.Time // of target
	from   map[string]bool
}

func (b *Book) at(name string) *seen {
	x := b.seen[name]
	if x == nil {
		b.forget()
		x = &seen{addresses: map[netip.Addr]time.Time{}, from: map[string]bool{}}
		b.seen[name] = x
	}
	return x
}

// forget makes room for another name, and another address.
func (b *Book) forget() {
	if len(b.seen) < mostNames && b.held < mostOfAll {
		return
	}
	now := b.now()
	for name, x := range b.seen {
		b.held -= len(x.addresses)
		maps.DeleteFunc(x.addresses, func(_ netip.Addr, until time.Time) bool { return !until.After(now) })
		b.held += len(x.addresses)
		if len(x.addresses) == 0 && !x.until.After(now) {
			b.drop(name, x)
		}
	}
	for name, x := range b.seen {
		if len(b.seen) < mostNames-mostNames/spare && b.held < mostOfAll-mostOfAll/spare {
			return
		}
		b.drop(name, x) // any of them
	}
}

func (b *Book) drop(name string, x *seen) {
	if of := b.seen[x.target]; of != nil {
		delete(of.from, name)
	}
	delete(b.seen, name)
	b.held -= len(x.addresses)
}

func (b *Book) alias(name, target string, until time.Time) {
	x := b.at(name)
	if x.target != target {
		if of := b.seen[x.target]; of != nil {
			delete(of.from, name)
		}
	}
	x.target, x.until = target, until
	if of := b.at(target); len(of.from) < mostAliases || b.ruled(name) {
		of.from[name] = true
	}
}

// ruled tells whether a rule is about a name as it is.
func (b *Book) ruled(name string) bool {
	d, err := policy.ParseDomain(name)
	return err == nil && b.rules[d] != nil
}

func (b *Book) address(name string, a netip.Addr, until time.Time) {
	x := b.at(name)
	if _, there := x.addresses[a]; !there {
		if b.held >= mostOfAll {
			b.forget()
			x = b.at(name)
		}
		b.held -= len(x.addresses)
		room(x.addresses, mostOfName)
		b.held += len(x.addresses) + 1
	}
	if until.After(x.addresses[a]) {
		x.addresses[a] = until
	}
}

// room takes out of a list that is full those that end first.
func room(list map[netip.Addr]time.Time, most int) {
	if len(list) < most {
		return
	}
	all := slices.SortedFunc(maps.Keys(list), func(x, y netip.Addr) int { return list[x].Compare(list[y]) })
	for _, a := range all[:most/spare] {
		delete(list, a)
	}
}

func (b *Book) spell(a netip.Addr, name string) {
	if _, err := policy.ParseDomain(name); err != nil {
		return // a program may ask for anything, and this is shown to people
	}
	if _, there := b.spelled[a]; !there && len(b.spelled) >= mostSpelled {
		for a := range b.spelled {
			delete(b.spelled, a) // any of them
			break
		}
	}
	b.spelled[a] = name
}

// resolve follows other names to addresses, each of which holds for as long as all on the way.
func (b *Book) resolve(name string) map[netip.Addr]time.Time {
	now := b.now()
	out := map[netip.Addr]time.Time{}
	limit := time.Time{}
	for range mostSteps {
		x := b.seen[name]
		if x == nil {
			break
		}
		for a, until := range x.addresses {
			if !limit.IsZero() && limit.Before(until) {
				until = limit
			}
			if until.After(now) && until.After(out[a]) {
				out[a] = until
			}
		}
		if !x.until.After(now) {
			break
		}
		if limit.IsZero() || x.until.Before(limit) {
			limit = x.until
		}
		name = x.target
	}
	return out
}
