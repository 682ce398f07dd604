package names

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
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

// Taught is an address that a name in a rule has by an answer.
type Taught struct {
	Domain  policy.Domain
	Address netip.Addr
	Until   time.Time
	// New says that it had not the address before.
	New bool
}

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

// seen is a name of which answers were seen.
type seen struct {
	addresses map[netip.Addr]time.Time
	// target is what the name is another name for, and from are the names of which this is the target.
	target string
	until  time.Time // of target
	from   map[string]bool
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

// Learn has the book know what a lookup of a name gave, which does not tell how long it holds.
func (b *Book) Learn(name string, list []netip.Addr) []Taught {
	m := message{question: name}
	for _, a := range list {
		m.records = append(m.records, record{name: name, address: a.Unmap()})
	}
	return b.learn(&m, b.now())
}

// learn takes an answer.
func (b *Book) learn(m *message, now time.Time) []Taught {
	b.mu.Lock()
	defer b.mu.Unlock()
	chain := b.note(m, now)
	for a := range b.resolve(m.question) {
		b.spell(a, m.question)
	}
	var out []Taught
	for _, name := range b.allFor(chain) {
		out = append(out, b.teach(name, now)...)
	}
	return out
}

// note enters the records that lead from the question to addresses, and gives the names that they are believed of. A server
// that was asked to find out, as a program asks its resolver, has asked those who own the names on the way. One that a resolver
// of this machine asks may be anybody's: it is believed of the name in question alone, as resolvers do.
func (b *Book) note(m *message, now time.Time) (chain []string) {
	hold := Longest
	for name := m.question; name != "" && len(chain) < mostSteps && !slices.Contains(chain, name); {
		chain = append(chain, name)
		next, last := "", hold
		for _, r := range m.records {
			if r.name != name {
				continue
			}
			ttl := min(max(r.ttl, Shortest), Longest)
			switch {
			case r.target != "":
				next, last = r.target, min(hold, ttl)
				if m.recursive || name == m.question {
					b.alias(name, r.target, now.Add(ttl))
				}
			case !ordinary(r.address):
			case m.recursive:
				b.address(name, r.address, now.Add(ttl))
			default:
				b.address(m.question, r.address, now.Add(min(hold, ttl)))
			}
		}
		name, hold = next, last
	}
	if !m.recursive {
		return []string{m.question}
	}
	return chain
}

// ordinary tells whether an address can be another machine's that a name leads to. Resolvers that block names answer with
// addresses of this machine or with none, and who owns a name could have it block all others' loopback.
func ordinary(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
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

// allFor gives some names, and those that are other names for them by answers of before.
func (b *Book) allFor(names []string) []string {
	out, there := slices.Clone(names), map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	for i := 0; i < len(out) && i < mostAliases; i++ {
		x := b.seen[out[i]]
		if x == nil {
			continue
		}
		for name := range x.from {
			if !there[name] {
				there[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}

// teach tells what is new of a name to the rules that are about it.
func (b *Book) teach(name string, now time.Time) (out []Taught) {
	var addresses map[netip.Addr]time.Time
	for _, d := range b.about(name) {
		known := b.rules[d]
		if addresses == nil {
			addresses = b.resolve(name)
		}
		if len(addresses) > 0 {
			b.updated[d] = now
		}
		for a, until := range addresses {
			before, there := known[a]
			if there && !before.Before(until) {
				continue
			}
			if !there {
				room(known, mostKnown)
			}
			until = until.Add(until.Sub(now) / grace)
			known[a], b.unsaved = until, true
			out = append(out, Taught{d, a, until, !before.After(now)})
		}
	}
	slices.SortFunc(out, func(x, y Taught) int {
		return cmp.Or(strings.Compare(x.Domain.String(), y.Domain.String()), x.Address.Compare(y.Address))
	})
	return out
}

// about lists the names in rules that stand for a name.
func (b *Book) about(name string) (out []policy.Domain) {
	if d, err := policy.ParseDomain(name); err == nil && b.rules[d] != nil {
		out = append(out, d)
	}
	for rest := name; ; {
		_, after, more := strings.Cut(rest, ".")
		if !more {
			return out
		}
		rest = after
		if d, err := policy.ParseDomain("*." + rest); err == nil && b.rules[d] != nil {
			out = append(out, d)
		}
	}
}
