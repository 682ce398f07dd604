package daemon

import (
	"time"

	"pfw/config/policy"
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
		if r.Bounded() {
			out[accountKey{rule: string(r.Name), excess: true}] = book{policy.Block, r.Severity, !r.Quiet}
		}
	}
	for _, d := range policy.Directions {
		if v, hooked := p.Default(d); hooked {
			logs := p.Log().Unmatched
			if v == policy.Allow {
				logs = p.Log().Allowed
			}
			out[accountKey{rule: defaultRule, direction: d}] = book{v, policy.Low, logs}
		}
	}
	return out
}

// inForce tells the accounts that a policy came into force; retired are the last readings of counters that are gone.
func (a *accounts) inForce(now time.Time, p *policy.Policy, retired map[accountKey]reading) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, last := range retired {
		acc := a.get(k)
		acc.read(now, last)
		acc.gone, acc.kernel = acc.total(), reading{}
	}
	for k, b := range booksOf(p) {
		acc := a.get(k)
		acc.action, acc.severity = b.action, b.severity
	}
}

// sums gives the packets that the policy allowed and blocked, as long as it counts.
func (a *accounts) sums() (allowed, blocked uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := map[bool]int64{true: a.blocked, false: a.allowed}
	for k, acc := range a.all {
		if acc.action != 0 {
			sum[acc.action.Refuses()] += a.own(k)
		}
	}
	return uint64(sum[false]), uint64(sum[true])
}

// own is how many packets an account stands for that no other does.
func (a *accounts) own(k accountKey) int64 {
	n := a.all[k].total().Packets
	if over, ok := a.all[accountKey{rule: k.rule, excess: true}]; ok && !k.excess {
		n -= over.total().Packets
	}
	return max(n, 0)
}

// lastMatch is when an account last counted, the zero time where that is not known.
func (a *accounts) lastMatch(k accountKey) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	var last time.Time
	for _, excess := range []bool{false, true} {
		k.excess = excess
		if acc, ok := a.all[k]; ok && acc.lastMatch.After(last) {
			last = acc.lastMatch
		}
	}
	return last
}
