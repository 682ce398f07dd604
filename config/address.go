package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// span is an address, a prefix or a range as somebody wrote it.
type span struct {
	first, last netip.Addr
	// masked is the prefix with its host bits cleared, where it had some.
	masked netip.Prefix
}

const addressForms = `write an address, a prefix like "192.0.2.0/24" or a range like "192.0.2.1-192.0.2.9"`

// parseSpan reads an address, a prefix or a range.
func parseSpan(s string) (span, *fault) {
	if strings.Contains(s, "%") {
		return span{}, wrong("name the interface with the key interface instead", "%q has a zone", s)
	}
	if a, b, ok := strings.Cut(s, "-"); ok {
		first, w := parseAddr(strings.TrimSpace(a))
		if w != nil {
			return span{}, w
		}
		last, w := parseAddr(strings.TrimSpace(b))
		if w != nil {
			return span{}, w
		}
		switch {
		case first.Is4() != last.Is4():
			return span{}, wrong("", "range %q has ends of two families", s)
		case last.Less(first):
			return span{}, wrong(fmt.Sprintf(`did you mean "%s-%s"?`, last, first), "range %q begins above its end", s)
		}
		return span{first: first, last: last}, nil
	}
	if strings.Contains(s, "/") {
		return parsePrefix(s)
	}
	a, w := parseAddr(s)
	return span{first: a, last: a}, w
}

// hostBits is what is wrong with a prefix, written as s, that has host bits set.
func (sp span) hostBits(s string) *fault {
	if !sp.masked.IsValid() {
		return nil
	}
	hint := fmt.Sprintf("write %q for the network, or %q for the one address", sp.masked, strings.SplitN(s, "/", 2)[0])
	return wrong(hint, "%q has host bits set", s)
}

func parseAddr(s string) (netip.Addr, *fault) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, wrong(addressForms, "%q is no address", s)
	}
	if a.Is4In6() {
		return netip.Addr{}, wrong(fmt.Sprintf("write %q", a.Unmap()), "%q is an IPv4 address written as IPv6", s)
	}
	return a, nil
}

func parsePrefix(s string) (span, *fault) {
	text, bits, _ := strings.Cut(s, "/")
	a, w := parseAddr(text)
	if w != nil {
		return span{}, w
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		hint := fmt.Sprintf("write a number of bits, 0 to %d", a.BitLen())
		if mask, err := netip.ParseAddr(bits); err == nil && mask.Is4() && a.Is4() {
			if n, ok := maskBits(mask); ok {
				hint = fmt.Sprintf("write %q", netip.PrefixFrom(a, n).Masked())
			}
		}
		return span{}, wrong(hint, "%q is no prefix", s)
	}
	r := policy.RangeOf(p)
	out := span{first: r.First, last: r.Last}
	if p != p.Masked() {
		out.masked = p.Masked()
	}
	return out, nil
}

// maskBits counts the bits of a netmask; ok is false where they are not all at the front.
func maskBits(mask netip.Addr) (n int, ok bool) {
	for _, b := range mask.As4() {
		for bit := byte(0x80); bit > 0; bit >>= 1 {
			if b&bit != 0 {
				n++
			}
		}
	}
	return n, netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), n).Masked().Addr() == mask
}

// addresses reads a key that names addresses: the union of what is named, less what '!' excludes.
func (r *reader) addresses(key string, lists *lists) policy.Addresses {
	values := r.each(key)
	if len(values) == 0 {
		return policy.Addresses{}
	}
	before := r.failed
	r.failed = false
	var named, excluded end
	var text []string
	for _, v := range values {
		if v.kind != unstable.String {
			r.mistyped(key, v, "an address", addressForms)
			continue
		}
		text = append(text, v.text)
		side := &named
		s, not := strings.CutPrefix(v.text, "!")
		if not {
			side = &excluded
		}
		if w := side.add(s, v, lists); w != nil {
			r.fail(key, v.at, w)
		}
		name, isList := strings.CutPrefix(s, "@")
		if isList = isList || strings.HasPrefix(s, countryPrefix); isList && r.rule != "" {
			lists.named(name, policy.Name(r.rule), not)
		}
		if w := lists.nothing(s); w != nil {
			r.warn(key, v.at, w)
		}
		if n := len(side.names); n > 0 && strings.HasPrefix(s, domainPrefix) {
			if w := unseen(side.names[n-1]); w != nil {
				r.warn(key, v.at, w)
			}
		}
	}
	bad := r.failed
	r.failed = before || bad
	if bad {
		return policy.Addresses{}
	}
	for _, w := range append(covered(named.spans), covered(excluded.spans)...) {
		r.warn(key, w.at, w.fault)
	}
	set := named.alone(&excluded)
	if set == nil {
		var w *fault
		if set, w = lists.make(strings.Join(text, "\n"), &named, &excluded); w != nil {
			r.fail(key, r.value(key).at, w)
		}
	}
	out := policy.NewAddresses(set, short(text))
	if len(named.names) > 0 {
		out = out.Or(policy.NewDomains(named.names...), excluded.all())
	}
	return out.Except(policy.NewDomains(excluded.names...))
}

// mostRanges bounds the ranges in sets that rules make of lists, which are copies: eight of a list of a million.
const mostRanges = 8 << 20

// make gives what is named less what is excluded. Rules that write the same share the set.
func (l *lists) make(text string, named, excluded *end) (*policy.AddressSet, *fault) {
	if set := l.made[text]; set != nil {
		return set, nil
	}
	if l.own > mostRanges {
		// Once: every rule after this one has the same to say.
		if l.told {
			return new(policy.AddressSet), nil
		}
		l.told = true
		return new(policy.AddressSet), wrong("make a list of what several rules name, or exclude",
			"the rules of the files combine their lists to more than %d ranges", mostRanges)
	}
	set := policy.AllAddresses()
	if named.any || len(named.names) > 0 {
		set = named.set()
	}
	if excluded.any {
		var rest *policy.AddressSet
		if list := excluded.alone(&end{}); list != nil && !named.any && len(named.names) == 0 {
			rest = list.Complement() // which it remembers
		} else {
			rest = set.Without(excluded.set())
		}
		if empty(rest) && !empty(set) && len(named.names) == 0 {
			return rest, wrong("name more, or exclude less", "the exclusions leave no address, so the rule can never match")
		}
		set = rest
	}
	l.own += set.Len(policy.IPv4) + set.Len(policy.IPv6)
	l.made[text] = set
	return set, nil
}

func empty(s *policy.AddressSet) bool { return s.Empty(policy.IPv4) && s.Empty(policy.IPv6) }

// short joins what a person wrote, as long as it fits a line.
func short(text []string) string {
	const most = 8
	for i, s := range text {
		text[i] = printable(s)
	}
	if len(text) > most {
		return strings.Join(text[:most], ",") + fmt.Sprintf(",…(%d more)", len(text)-most)
	}
	return strings.Join(text, ",")
}

// end gathers what is named, or what is excluded.
type end struct {
	sets  []*policy.AddressSet
	seen  map[*policy.AddressSet]bool
	spans []placed
	// any says that there is any of the above, names are beside it.
	any   bool
	names []policy.Domain
}

// all gives the set of what there is beside names, nil where there is nothing.
func (e *end) all() *policy.AddressSet {
	if !e.any {
		return nil
	}
	return e.set()
}

// alone gives the set of the one list that is named, where nothing else is; nil otherwise.
func (e *end) alone(excluded *end) *policy.AddressSet {
	if len(e.sets) == 1 && len(e.spans) == 0 && !excluded.any {
		return e.sets[0]
	}
	return nil
}

// placed is a span and where it stands.
type placed struct {
	span
	text string
	at   int
}

func (e *end) add(s string, v *value, lists *lists) *fault {
	if name, ok := strings.CutPrefix(s, domainPrefix); ok {
		d, w := lists.domain(name)
		e.names = append(e.names, d)
		return w
	}
	e.any = true
	if name, ok := strings.CutPrefix(s, "@"); ok {
		return e.addSet(lists.set(name))
	}
	if code, ok := strings.CutPrefix(s, countryPrefix); ok {
		return e.addSet(lists.country(code))
	}
	sp, w := parseSpan(s)
	if w != nil {
		if w.hint == addressForms && lists.has(s) {
			w.hint = fmt.Sprintf("did you mean %q?", "@"+s)
		} else if d, err := policy.ParseDomain(s); w.hint == addressForms && err == nil && strings.Contains(s, ".") {
			w.hint = fmt.Sprintf("did you mean %q?", domainPrefix+d.String())
		}
		return w
	}
	if w := sp.hostBits(s); w != nil {
		return w
	}
	e.spans = append(e.spans, placed{sp, s, v.at})
	return nil
}

func (e *end) addSet(set *policy.AddressSet, w *fault) *fault {
	if w == nil && !e.seen[set] {
		if e.seen == nil {
			e.seen = map[*policy.AddressSet]bool{}
		}
		e.seen[set] = true
		e.sets = append(e.sets, set)
	}
	return w
}

func (e *end) set() *policy.AddressSet {
	sets := e.sets
	if len(e.spans) > 0 {
		sets = append(slices.Clone(sets), setOf(e.spans))
	}
	return policy.Union(sets...)
}

func setOf(spans []placed) *policy.AddressSet {
	var b policy.AddressBuilder
	for _, s := range spans {
		// parseSpan has refused all that Add refuses.
		if err := b.Add(s.first, s.last); err != nil {
			panic(fmt.Sprintf("config: %s", err))
		}
	}
	return b.Set()
}
