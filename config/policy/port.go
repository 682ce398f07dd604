package policy

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// PortRange is a run of ports, both ends inclusive. First is never above Last.
type PortRange struct{ First, Last uint16 }

// String gives "22" or "8000-8100".
func (r PortRange) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// PortSet is a set of ports. The zero value asks for no port: any will do.
type PortSet struct{ ranges []PortRange }

// Ports makes a set of ranges, sorted and merged. Ends of a range that are the wrong way round are swapped.
func Ports(ranges ...PortRange) PortSet {
	rs := slices.Clone(ranges)
	for i, r := range rs {
		rs[i] = PortRange{min(r.First, r.Last), max(r.First, r.Last)}
	}
	slices.SortFunc(rs, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	var merged []PortRange
	for _, r := range rs {
		if n := len(merged); n > 0 && int(r.First) <= int(merged[n-1].Last)+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return PortSet{merged}
}

// Any tells whether the set asks for nothing.
func (s PortSet) Any() bool { return len(s.ranges) == 0 }

// Ranges lists the set's ranges, ascending and disjoint; none where any port will do.
func (s PortSet) Ranges() []PortRange { return slices.Clone(s.ranges) }

// Contains tells whether the port satisfies the set.
func (s PortSet) Contains(port uint16) bool {
	return s.Any() || s.holds(PortRange{port, port})
}

// Covers tells whether every port of other is in s.
func (s PortSet) Covers(other PortSet) bool {
	if s.Any() {
		return true
	}
	if other.Any() {
		return len(s.ranges) == 1 && s.ranges[0] == PortRange{0, 65535}
	}
	for _, o := range other.ranges {
		if !s.holds(o) {
			return false
		}
	}
	return true
}

// holds tells whether one of the ranges holds all of r.
func (s PortSet) holds(r PortRange) bool {
	i := sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].Last >= r.First })
	return i < len(s.ranges) && s.ranges[i].First <= r.First && r.Last <= s.ranges[i].Last
}

// String lists the ranges, "any" where there are none.
func (s PortSet) String() string {
	if s.Any() {
		return "any"
	}
	parts := make([]string, len(s.ranges))
	for i, r := range s.ranges {
		parts[i] = r.String()
	}
	return strings.Join(parts, ",")
}
