package enforce

import (
	"net/netip"
	"time"

	"pfw/config/policy"
)

// bind gives a rule bounds, now and then.
func (w *randomWorld) bind(r *policy.Rule) {
	per := func() policy.Per { return policy.Per(1 + w.r.IntN(2)) }
	rate := policy.Rate{Packets: 1 + uint32(w.r.IntN(100)), Per: []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}[w.r.IntN(4)]}
	if w.is(w.bounds) && r.Action != policy.Block {
		r.Limit = &policy.Limit{Rate: rate, Burst: 1 + uint32(w.r.IntN(100)), Per: per()}
	}
	if w.is(w.bounds) && r.Action == policy.Allow {
		r.MaxConnections = &policy.MaxConnections{Count: 1 + uint32(w.r.IntN(100)), Per: per()}
	}
	if w.is(w.bounds) {
		r.Ban = &policy.BanOver{Over: rate, For: time.Duration(1+w.r.IntN(1000)) * time.Second}
	}
}

// remoteOfFlow is whom a rule counts the flow for.
func remoteOfFlow(f *policy.Flow) netip.Prefix {
	end := f.Source
	if f.Direction == policy.Out {
		end = f.Destination
	}
	a, _ := end.Get()
	return Remote(a)
}

// bound draws one of the rule's bounds, or none; spared says that the remote is never banned.
func (w *randomWorld) bound(r *policy.Rule, spared bool) policy.Bound {
	all := []policy.Bound{0}
	if r.Limit != nil {
		all = append(all, policy.ByLimit)
	}
	if r.MaxConnections != nil {
		all = append(all, policy.ByConnections)
	}
	if r.Ban != nil && !spared {
		all = append(all, policy.ByBan, policy.ByFullBan)
	}
	return all[w.r.IntN(len(all))]
}
