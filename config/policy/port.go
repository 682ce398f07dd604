package policy

import (
	"fmt"
	"slices"
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
	return s.Any() || slices.ContainsFunc(s.ranges, func(r PortRange) bool { return r.First <= port && port <= r.Last })
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
		if !slices.ContainsFunc(s.ranges, func(r PortRange) bool { return r.First <= o.First && o.Last <= r.Last }) {
			return false
		}
	}
	return true
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
