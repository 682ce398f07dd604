package enforce

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"testing"

	"pfw/config/policy"
)

// simulator runs a ruleset as the kernel does, for packets that open connections. It reads the statements, not the lines
// that they come from.
type simulator struct {
	t      testing.TB
	chains map[string]*chain
	sets   map[string]*heldSet
	// asked counts rules, and lookups those in sets and maps, since they were set to 0.
	asked, lookups int
	// noRoom says that nobody more can be banned.
	noRoom bool
	// dropped counts packets that did not come as far as conntrack.
	dropped int
}

// heldSet holds a set's spans, ascending.
type heldSet struct {
	set
	list  []span
	order []int // the place in to
}

func newSimulator(t testing.TB, r Ruleset) *simulator {
	s := &simulator{t: t, chains: map[string]*chain{}, sets: map[string]*heldSet{}}
	for i := range r.chains {
		c := &r.chains[i]
		if s.chains[c.name] != nil {
			t.Fatalf("two chains %s", c.name)
		}
		s.chains[c.name] = c
	}
	for _, x := range r.sets {
		h := &heldSet{set: x}
		for e := range x.spans {
			h.order = append(h.order, len(h.list))
			h.list = append(h.list, e)
		}
		if x.to != nil && len(x.to) != len(h.list) {
			t.Fatalf("map %s leads %d of %d spans", x.name, len(x.to), len(h.list))
		}
		sort.Sort(h)
		for i := 1; i < len(h.list); i++ {
			if bytes.Compare(h.list[i-1].last[:], h.list[i].first[:]) >= 0 {
				t.Fatalf("set %s has two elements for one value", x.name)
			}
		}
		s.sets[x.name] = h
	}
	return s
}

func (h *heldSet) Len() int { return len(h.list) }
func (h *heldSet) Less(i, j int) bool {
	return bytes.Compare(h.list[i].first[:], h.list[j].first[:]) < 0
}
func (h *heldSet) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.order[i], h.order[j] = h.order[j], h.order[i]
}

// find gives the place of the span that holds the value, -1 for none.
func (h *heldSet) find(v []byte) int {
	n := h.kind.bytes
	i := sort.Search(len(h.list), func(i int) bool { return bytes.Compare(h.list[i].last[:n], v) >= 0 })
	if i < len(h.list) && bytes.Compare(h.list[i].first[:n], v) <= 0 {
		return h.order[i]
	}
	return -1
}

// outcome is what became of a packet.
type outcome struct {
	verdict policy.Verdict
	counter string
	tag     string // of the message to the log
	// over is the bound that the packet is over.
	over policy.Bound
}

// run judges a packet.
func (s *simulator) run(f *policy.Flow) outcome {
	base := s.chains[baseName(f.Direction)]
	if base == nil {
		return outcome{verdict: policy.Allow}
	}
	var o outcome
	if early := s.chains[earlyChain]; early != nil && f.Direction == policy.In {
		if s.chain(early, f, &o, 0); o.verdict == policy.Block {
			s.dropped++
			return o
		}
		o = outcome{}
	}
	s.chain(base, f, &o, 0)
	if o.verdict == 0 {
		s.t.Fatalf("nothing decides %+v", *f)
	}
	return o
}

// maxLevel is how deep chains may call each other: NFT_JUMP_STACK_SIZE, in which nf_tables counts what is gone to as well.
const maxLevel = 16

// chain goes through a chain until something is decided.
func (s *simulator) chain(c *chain, f *policy.Flow, o *outcome, level int) {
	if level >= maxLevel {
		s.t.Fatalf("chain %s is %d deep", c.name, level)
	}
	follow := func(to string) {
		next := s.chains[to]
		if next == nil {
			s.t.Fatalf("chain %s goes to %s, which is not there", c.name, to)
		}
		s.chain(next, f, o, level+1)
	}
rules:
	for _, r := range c.rules {
		s.asked++
		for _, x := range r.statements {
			switch x := x.(type) {
			case verdict:
				o.verdict = policy.Allow
				if x == drop {
					o.verdict = policy.Block
				}
				return
			case answer:
				o.verdict = policy.Reject
				return
			case goTo:
				follow(x.chain)
				return
			case jumpTo:
				if follow(x.chain); o.verdict != 0 {
					return
				}
			case giveBack:
				return
			case choose:
				v, ok := valueOfFlow(x.question, f)
				s.lookups++
				if !ok {
					continue rules
				}
				m := s.sets[x.table]
				i := m.find(v)
				if i < 0 {
					continue rules
				}
				if follow(m.to[i].chain); o.verdict != 0 || !m.to[i].back {
					return
				}
			case count:
				if o.counter == "" {
					o.counter = x.counter
				}
			case logTo:
				o.over = x.tag.Over.Bound
				o.tag = x.tag.String()
			case copyTo:
			case overRate:
				continue rules
			case meter:
				if !s.meets(x, c.name, f) {
					continue rules
				}
			case forget:
			case banEnd:
				if s.noRoom {
					continue rules
				}
			default:
				if !s.holds(x, f) {
					continue rules
				}
			}
		}
	}
}

// valueOfFlow reads a value; ok is false where the packet has none.
func valueOfFlow(q question, f *policy.Flow) (v []byte, ok bool) {
	port := func(p policy.Field[uint16]) ([]byte, bool) {
		n, ok := p.Get()
		return []byte{byte(n >> 8), byte(n)}, ok && f.Protocol.HasPorts() && (q.protocol == 0 || q.protocol == f.Protocol)
	}
	address := func(a policy.Field[netip.Addr]) ([]byte, bool) {
		x, ok := a.Get()
		return x.AsSlice(), ok && q.family == f.Family
	}
	name := func(n policy.Field[string]) ([]byte, bool) {
		x, ok := n.Get()
		return append([]byte(x), make([]byte, 16-len(x))...), ok
	}
	id := func(n policy.Field[uint32]) ([]byte, bool) {
		x, ok := n.Get()
		return nativeBytes(x), ok
	}
	switch q.dimension {
	case byPort:
		return port(f.DestinationPort)
	case bySourcePort:
		return port(f.SourcePort)
	case bySource:
		return address(f.Source)
	case byDestination:
		return address(f.Destination)
	case byProtocol:
		return []byte{byte(f.Protocol)}, true
	case byType:
		n, ok := f.ICMPType.Get()
		return []byte{n}, ok && q.protocol == f.Protocol
	case byEntering:
		return name(f.InInterface)
	case byLeaving:
		return name(f.OutInterface)
	case byUser:
		return id(f.User)
	case byGroup:
		return id(f.Group)
	}
	panic(fmt.Sprintf("dimension %d", q.dimension))
}

// meets tells whether a meter in a decider's chain lets the packet go on in its rule.
func (s *simulator) meets(x meter, decider string, f *policy.Flow) bool {
	if s.sets[x.set] == nil || x.family != 0 && x.family != f.Family {
		s.t.Fatalf("a packet of %s meets %s of %s", f.Family, x.set, x.family)
	}
	over := f.Over[policy.Name(strings.Split(decider, "/")[1])]
	switch what, _, _ := strings.Cut(x.set, "/"); strings.TrimRight(what, "46") {
	case "ban":
		s.noRoom = over == policy.ByFullBan
		return over == policy.ByBan || over == policy.ByFullBan
	case "limit":
		return over != policy.ByLimit
	case "connections":
		return over != policy.ByConnections
	}
	s.t.Fatalf("meter %s", x.set)
	return false
}

// holds tells whether a condition is met.
func (s *simulator) holds(x statement, f *policy.Flow) bool {
	between := func(q question, first, last []byte, not bool) bool {
		v, ok := valueOfFlow(q, f)
		return ok && (bytes.Compare(first, v) <= 0 && bytes.Compare(v, last) <= 0) != not
	}
	switch x := x.(type) {
	case familyIs:
		return f.Family == x.family
	case impliedFamily:
		if f.Family != x.family {
			s.t.Fatalf("a packet of %s where %s is taken for granted", f.Family, x.family)
		}
		return true
	case impliedProtocol:
		if f.Protocol != x.protocol {
			s.t.Fatalf("a packet of %s where %s is taken for granted", f.Protocol, x.protocol)
		}
		return true
	case protocolIs:
		return f.Protocol == x.protocol
	case interfaceIs:
		v, ok := valueOfFlow(question{dimension: byEntering + dimension(x.side-entering)}, f)
		return ok && x.iface.Matches(strings.TrimRight(string(v), "\x00")) != x.not
	case ownerIs:
		q := question{dimension: byUser}
		if x.group {
			q.dimension = byGroup
		}
		return between(q, nativeBytes(x.id), nativeBytes(x.id), false)
	case addressIn:
		return between(question{dimension: x.end.dimension(), family: x.family}, x.one.First.AsSlice(), x.one.Last.AsSlice(), x.not)
	case portIn:
		k := &portKind
		r := k.span(run{value{lo: uint64(x.one.First)}, value{lo: uint64(x.one.Last)}})
		return between(x.question(), r.first[:2], r.last[:2], false)
	case icmpTypeIs:
		return between(x.question(), []byte{x.one}, []byte{x.one}, false)
	case maskedIn:
		v, ok := valueOfFlow(question{dimension: x.end.dimension(), family: x.family}, f)
		s.lookups++
		if !ok {
			return false
		}
		a, _ := netip.AddrFromSlice(v)
		p, _ := a.Prefix(x.bits)
		return (s.sets[x.set].find(p.Addr().AsSlice()) >= 0) != x.not
	case lookup:
		v, ok := valueOfFlow(x.question, f)
		s.lookups++
		return ok && (s.sets[x.set].find(v) >= 0) != x.not
	case duringTimes:
		now, ok := f.Time.Get()
		return ok && s.sets[x.set].find(secondOf(now).nanoseconds()) >= 0
	case beforeTime:
		now, ok := f.Time.Get()
		return ok && secondOf(now) < x.at
	case conntrackIs:
		switch x {
		case isNew:
			return true
		case isInvalid:
			// Conntrack does not track neighbour discovery, which has a rule of its own.
			n, ok := f.ICMPType.Get()
			return ok && !policy.ICMPOpens(f.Protocol, n) && !(f.Protocol == policy.ICMPv6 && slices.Contains(policy.ICMPv6AlwaysAllowed(), n))
		case isFollowing, isConfirmed:
			return false
		}
	case opensTCP:
		return !x.not
	case sentBack:
		return x.not
	case bannedEnd, tupleIn, answerless, neverBanned, inDynamic:
		return false
	}
	s.t.Fatalf("statement %T", x)
	return false
}
