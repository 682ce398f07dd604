package enforce

import (
	"slices"

	"pfw/config/policy"
)

// line is what a packet must meet, all of it, to go to a decider. A rule is one line or, for several interfaces or
// families, some that stand one after the other.
type line struct {
	asks facts
	// runs holds the values of each dimension that will do; none where it is not asked for.
	runs   [dimensions][]run
	family policy.Family // 0: both
	// ends holds the addresses that will do, as they are to be written: of the source and of the destination.
	ends  [2]policy.Addresses
	sides [2]policy.Interface
	// named asks for addresses of names.
	named []lookup
	clock []statement
	to    string // the decider's chain
	// back says that to is a chain that may decide nothing.
	back bool
}

// dimension is a value of a packet that can lead to the lines that ask for it.
type dimension uint8

// In the order in which they are tried where nothing else tells them apart.
const (
	byPort dimension = iota
	bySource
	byDestination
	bySourcePort
	byProtocol
	byType
	byEntering
	byLeaving
	byUser
	byGroup

	dimensions = iota
)

// facts is a set of dimensions, and of what else a line may ask for.
type facts uint16

// Beside the dimensions: a list of addresses that is too long to be taken apart, the clock, and names.
const (
	listedSource facts = 1 << (dimensions + iota)
	listedDestination
	byClock
	// headedDecided says that the protocol is none that has lines of its own.
	headedDecided
	byName
)

func (d dimension) fact() facts { return 1 << d }

func (f facts) has(other facts) bool { return f&other != 0 }

// mostRuns bounds the addresses of one line that are taken apart: a longer list stays a set of its own.
const mostRuns = 256

// lines gives what a match asks for. None where nothing can match.
func (c *compiler) lines(m *policy.Match, to string) []*line {
	clock, ever := c.times(m)
	if !ever {
		return nil
	}
	any := line{clock: clock, to: to}
	if len(clock) > 0 {
		any.asks |= byClock
	}
	any.set(byUser, accounts(m.Users))
	any.set(byGroup, accounts(m.Groups))
	var out []*line
	for _, head := range heads(any, m) {
		out = append(out, ways(head, m)...)
	}
	return out
}

// set asks for values.
func (l *line) set(d dimension, runs []run) {
	l.runs[d] = runs
	if len(runs) > 0 {
		l.asks |= d.fact()
	}
}

// ways gives a line for each pair of interfaces of which one must be met.
func ways(l line, m *policy.Match) []*line {
	out := []*line{&l}
	for i, list := range [][]policy.Interface{m.InInterfaces, m.OutInterfaces} {
		if len(list) == 0 {
			continue
		}
		var more []*line
		for _, way := range out {
			for _, iface := range list {
				next := *way
				next.sides[i] = iface
				next.set(byEntering+dimension(i), []run{namesOf(iface)})
				more = append(more, &next)
			}
		}
		out = more
	}
	return out
}

// heads gives a line with what is asked of the packet's headers where both families are asked the same, else one for
// each family that can match.
func heads(any line, m *policy.Match) []line {
	families := m.Families()
	if len(families) == len(policy.Families) && sameForBoth(m) {
		any.traffic(m.Traffic, policy.IPv4)
		return []line{any}
	}
	var out []line
	for _, f := range families {
		l := any
		l.family = f
		l.traffic(m.Traffic, f)
		for _, way := range l.addresses(source, m.Source) {
			out = append(out, way.addresses(destination, m.Destination)...)
		}
	}
	return out
}

// sameForBoth tells whether the match asks the same of IPv4 and IPv6.
func sameForBoth(m *policy.Match) bool {
	for _, f := range policy.Families {
		if !m.Source.Set().All(f) || !m.Destination.Set().All(f) {
			return false
		}
	}
	if !m.Source.Excepted().None() || !m.Destination.Excepted().None() {
		return false
	}
	if _, icmp := m.Traffic.(policy.OfICMPTypes); icmp {
		return false
	}
	list4, _ := policy.ProtocolsOf(m.Traffic, policy.IPv4)
	list6, _ := policy.ProtocolsOf(m.Traffic, policy.IPv6)
	return slices.Equal(list4, list6)
}

// address asks for an address of the line's family; for nothing where every one will do.
func (l *line) address(e end, a policy.Addresses) {
	d, long := e.dimension(), listedSource<<(e-source)
	switch s := a.Set(); {
	case s.All(l.family):
		return
	case s.Len(l.family) > mostRuns:
		l.asks |= long
	default:
		l.set(d, addressRuns(s, l.family))
	}
	l.ends[e-source] = a
}

// traffic asks for the protocol and what is in its header.
func (l *line) traffic(t policy.Traffic, f policy.Family) {
	list, any := policy.ProtocolsOf(t, f)
	if any {
		return
	}
	l.set(byProtocol, protocolRuns(list))
	switch t := t.(type) {
	case policy.OnPorts:
		l.set(byPort, portRuns(t.Destination))
		l.set(bySourcePort, portRuns(t.Source))
	case policy.OfICMPTypes:
		l.set(byType, single(t.ICMPTypesOf(f)))
	}
}

// weight counts the values that a line asks for, of which copies are made; at least one.
func (l *line) weight() int {
	n := 0
	for _, runs := range l.runs {
		n += len(runs)
	}
	return max(n, 1)
}
