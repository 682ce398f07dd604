package names

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
)

// Taught is an address that a name in a rule has by an answer.
type Taught struct {
	Domain  policy.Domain
	Address netip.Addr
	Until   time.Time
	// New says that it had not the address before.
	New bool
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
