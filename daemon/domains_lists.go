package daemon

import (
	"slices"
	"strings"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/enforce"
)

// lists tells of the names in the rules of a policy as of lists.
func (x *domains) lists(p *policy.Policy, counts enforce.Counters) []api.List {
	packets := map[policy.Domain]uint64{}
	for _, r := range p.Rules() {
		for _, name := range about(r.Named()) {
			packets[name] += counts.Rules[r.Name].Packets
		}
	}
	asked := x.asker.Asked()
	var out []api.List
	for _, d := range about(p.Named()) {
		n := len(x.book.Addresses(d))
		list := api.List{Name: "domain:" + d.String(), Kind: api.OfName, Source: "DNS", Entries: n, Ranges: n, SkippedLines: []int{}, Packets: packets[d]}
		if name, below := d.Name(); !below {
			if a, ok := asked[name]; ok {
				list.Next = &api.Time{Time: a.Next}
				if a.Err != nil {
					list.Error = a.Err.Error()
				}
			}
		}
		if at := x.book.Updated(d); !at.IsZero() {
			list.Updated = &api.Time{Time: at}
		}
		out = append(out, list)
	}
	slices.SortFunc(out, func(a, b api.List) int { return strings.Compare(a.Name, b.Name) })
	return out
}
