package policy

import "time"

// Listener is a socket that waits for others, as rules see what comes to it.
type Listener struct {
	Family   Family
	Protocol Protocol
	Port     uint16
	// Local holds the addresses that it hears at.
	Local *AddressSet
	// Interface is the only one that it hears by, "" where any will do.
	Interface string
}

// Reach is from where connections to a listener may be opened, by others than this machine itself.
type Reach struct {
	// Extent is Anywhere only where every remote may come in whatever else there is to its packet, and Nowhere only where
	// none may.
	Extent Extent
	// Openings is what lets somebody in, in order.
	Openings []Opening
	// Refusals is what keeps somebody out; the last is what remotes end up at that nothing lets in. What comes too late to
	// decide is in neither.
	Refusals []Turnout
}

// Turnout is what decides for some remotes.
type Turnout struct {
	Verdict Verdict
	// By names it: a rule's name, "default", or the name of what is always in force.
	By string
	// Rule is the deciding rule, nil where none is.
	Rule *Rule
	// match is what the rule asks of incoming packets, nil where there is no rule.
	match *Match
}

// Opening lets remotes in, but for those that are refused before.
type Opening struct {
	Turnout
	Except []Turnout
}

// Remotes says whom it decides for: "anywhere", "@lan on eth0".
func (t Turnout) Remotes() string {
	if t.match == nil {
		return "anywhere"
	}
	text := t.match.Source.String()
	if t.match.Source.Any() {
		text = "anywhere"
	}
	if ports, ok := t.match.Traffic.(OnPorts); ok && !ports.Source.Any() {
		text += " port " + ports.Source.String()
	}
	return text + words(" on ", t.match.InInterfaces) + ends(" to ", t.match.Destination)
}

// Extent is how far a listener can be reached. The zero value is invalid.
type Extent uint8

const (
	_ Extent = iota
	// Nowhere is no other machine.
	Nowhere
	// Some is from certain remotes, or under certain conditions.
	Some
	// Anywhere is everybody.
	Anywhere
)

// String gives a word.
func (e Extent) String() string {
	switch e {
	case Nowhere:
		return "nowhere"
	case Some:
		return "some"
	case Anywhere:
		return "anywhere"
	}
	panic("policy: extent")
}

// Reacher tells who may reach listeners at a time. It serves one goroutine, and keeps what it worked out: a list of a
// million addresses is held against another once, not once for each listener.
type Reacher struct {
	p    *Policy
	now  time.Time
	met  map[meeting]bool
	less map[pair]*AddressSet
	all  map[Family]*AddressSet
}

// pair is two sets by identity: sets do not change.
type pair struct{ a, b *AddressSet }

type meeting struct {
	pair
	family Family
}

// Reacher makes one for a moment.
func (p *Policy) Reacher(now time.Time) *Reacher {
	return &Reacher{p: p, now: now, met: map[meeting]bool{}, less: map[pair]*AddressSet{},
		all: map[Family]*AddressSet{IPv4: all.Only(IPv4), IPv6: all.Only(IPv6)}}
}

// Of tells who may reach a listener. It walks the rules as a packet does, with all remotes at once: what one surely
// decides for is left to none after it. A rule that also asks for what a listener does not tell, an interface or the
// remote's port, decides for some packets only.
func (r *Reacher) Of(l Listener) Reach {
	f := Flow{
		Direction: In, Family: l.Family, Protocol: l.Protocol, DestinationPort: Known(l.Port), SourcePort: Unknown[uint16](),
		InInterface: Unknown[string](), Time: Known(r.now),
	}
	if l.Interface != "" {
		f.InInterface = Known(l.Interface)
	}
	var out Reach
	if a, met := r.p.always(&f); met != no {
		r.add(&out, l.Family, Turnout{Verdict: a.Verdict(), By: a.String()})
		if met == yes {
			return out.whole()
		}
	}
	left := r.all[l.Family]
	for _, rule := range r.p.rules {
		m, ok := rule.Match(In)
		if !ok || rule.Disabled {
			continue
		}
		a := m.admits(&f, l.Local)
		if a == no || !r.meet(left, m.Source, l.Family) {
			continue
		}
		r.add(&out, l.Family, Turnout{rule.Action, string(rule.Name), rule, m})
		if a == yes {
			if left = r.without(left, m.Source); left.Empty(l.Family) {
				break
			}
		}
	}
	if !left.Empty(l.Family) {
		v, _ := r.p.Default(In)
		r.add(&out, l.Family, Turnout{Verdict: v, By: "default"})
	}
	return out.whole()
}

// whole draws the sum.
func (r Reach) whole() Reach {
	switch {
	case len(r.Openings) == 0:
		r.Extent = Nowhere
	case len(r.Refusals) == 0:
		r.Extent = Anywhere
	default:
		r.Extent = Some
	}
	return r
}

func (r *Reacher) add(to *Reach, f Family, t Turnout) {
	if t.Verdict.Refuses() {
		to.Refusals = append(to.Refusals, t)
		return
	}
	opening := Opening{Turnout: t}
	for _, before := range to.Refusals {
		if t.match == nil || t.match.Source.Any() || !t.match.Source.Static() || r.meet(t.match.Source.set, before.match.Source, f) {
			opening.Except = append(opening.Except, before)
		}
	}
	to.Openings = append(to.Openings, opening)
}

// admits tells what the match says of a packet to one of the local addresses, whoever sends it.
func (m *Match) admits(f *Flow, local *AddressSet) answer {
	result := answer(yes)
	for c := byProtocol; c <= byUntil; c++ {
		var a answer
		switch c {
		case bySource:
			continue
		case byDestination:
			a = holdsSome(m.Destination, local, f.Family)
		default:
			a = m.ask(c, f)
		}
		switch a {
		case no:
			return no
		case maybe:
			result = maybe
		}
	}
	return result
}

// holdsSome tells whether all, some or none of the set are addresses that the rule asks for.
func holdsSome(a Addresses, set *AddressSet, f Family) answer {
	if a.Any() {
		return yes
	}
	rest := set.Only(f).Without(a.set)
	switch {
	case rest.Empty(f) && a.except.None():
		return yes
	case rest.Covers(set.Only(f)) && a.named.None():
		return no
	}
	return maybe // also where names are to tell
}

// meet tells whether the rule asks for some of the remotes. Names may have any address.
func (r *Reacher) meet(remotes *AddressSet, a Addresses, f Family) bool {
	if a.Any() || !a.named.None() {
		return true
	}
	m := meeting{pair{remotes, a.set}, f}
	met, ok := r.met[m]
	if !ok {
		both := AddressSet{v4: intersect(remotes.v4, a.set.v4), v6: intersect(remotes.v6, a.set.v6)}
		met = !both.Empty(f)
		r.met[m] = met
	}
	return met
}

// without gives the remotes that are left after a rule, whatever addresses names have.
func (r *Reacher) without(left *AddressSet, a Addresses) *AddressSet {
	switch {
	case a.Any():
		return new(AddressSet)
	case !a.except.None():
		return left
	}
	p := pair{left, a.set}
	less, ok := r.less[p]
	if !ok {
		less = left.Without(a.set)
		r.less[p] = less
	}
	return less
}
