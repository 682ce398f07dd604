package daemon

import (
	"time"

	"pfw/config/policy"
	"pfw/enforce"
)

// book is what a policy says of an account.
type book struct {
	action   policy.Verdict
	severity policy.Severity
	logs     bool
}

// booksOf lists the accounts that a policy has, in the kernel as well.
func booksOf(p *policy.Policy) map[accountKey]book {
	out := map[accountKey]book{}
	for _, r := range p.Rules() {
		if r.Disabled {
			continue
		}
		out[accountKey{rule: string(r.Name)}] = book{r.Action, r.Severity, r.Log || r.Action == policy.Allow && p.Log().Allowed}
	}
	for _, d := range policy.Directions {
		if v, hooked := p.Default(d); hooked {
			logs := p.Log().Unmatched
			if v == policy.Allow {
				logs = p.Log().Allowed
			}
			out[accountKey{defaultRule, d}] = book{v, policy.Low, logs}
		}
	}
	return out
}

// open makes the accounts of a policy that is about to come into force. The counters of what is new begin with zero, so
// every packet of theirs is owed an entry.
func (a *accounts) open(p *policy.Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, b := range booksOf(p) {
		if _, ok := a.all[k]; ok {
			continue
		}
		acc := a.get(k)
		acc.action, acc.severity = b.action, b.severity
		if b.logs {
			acc.until = nil
		}
	}
}

// inForce tells the accounts that a policy came into force. They were read just before; counts is read after.
func (a *accounts) inForce(now time.Time, p *policy.Policy, retired map[policy.Name]enforce.RuleCounters, counts map[accountKey]reading) {
	a.mu.Lock()
	defer a.mu.Unlock()
	books := booksOf(p)
	for name, last := range retired {
		k := accountKey{rule: string(name)}
		acc := a.get(k)
		if r := readingOf(last); r.Packets >= acc.kernel.Packets {
			acc.read(now, r)
		}
		acc.gone, acc.kernel = acc.total(), reading{}
	}
	for k, acc := range a.all {
		b, ok := books[k]
		if ok {
			acc.action, acc.severity = b.action, b.severity
		}
		switch {
		case !b.logs && acc.until == nil:
			// As read before the change: a packet more that still had its entry does no harm, one that needs none and is
			// counted as owed would be told of as lost.
			total := acc.total()
			acc.until, acc.unsettled = &total, true
		case b.logs && acc.until != nil:
			if r, ok := counts[k]; ok {
				acc.read(now, r)
			}
			total := acc.total()
			acc.exempt += total.Packets - acc.until.Packets
			acc.over += total.Over - acc.until.Over
			acc.until = nil
		}
	}
}

// sums gives the packets that the policy allowed and blocked, as long as it counts.
func (a *accounts) sums() (allowed, blocked uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := map[bool]int64{true: a.blocked, false: a.allowed}
	for _, acc := range a.all {
		if acc.action != 0 {
			sum[acc.action.Refuses()] += acc.total().Packets
		}
	}
	return uint64(sum[false]), uint64(sum[true])
}

// lastMatch is when an account last counted, the zero time where that is not known.
func (a *accounts) lastMatch(k accountKey) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if acc, ok := a.all[k]; ok {
		return acc.lastMatch
	}
	return time.Time{}
}
