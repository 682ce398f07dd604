package daemon

import (
	"fmt"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
)

// ledger is the accounts as they are kept in the state directory, with what the audit file had when they were saved.
type ledger struct {
	// Boot is the kernel's boot id: its counters do not outlive it.
	Boot string `json:"boot"`
	// Saved is when.
	Saved time.Time `json:"saved,omitzero"`
	// Seq is the last entry that is part of Entered.
	Seq      uint64          `json:"seq"`
	Allowed  int64           `json:"allowed"`
	Blocked  int64           `json:"blocked"`
	Accounts []ledgerAccount `json:"accounts"`
}

type ledgerAccount struct {
	Rule      string           `json:"rule"`
	Direction policy.Direction `json:"direction,omitempty"`
	Excess    bool             `json:"excess,omitempty"`
	Action    policy.Verdict   `json:"action"`
	Gone      reading          `json:"gone"`
	Kernel    reading          `json:"kernel"`
	Exempt    int64            `json:"exempt"`
	Entered   int64            `json:"entered"`
	LastMatch time.Time        `json:"last_match,omitzero"`
}

// check tells whether the accounts are such as a pfwd saves: a disk may damage them, and a later version may have others.
func (l *ledger) check() error {
	for _, a := range l.Accounts {
		if a.Action > policy.Reject || a.Direction > policy.Forward {
			return fmt.Errorf("account %q: action %d, direction %d", a.Rule, uint8(a.Action), uint8(a.Direction))
		}
		for _, n := range []int64{
			a.Gone.Packets, a.Gone.Sent, a.Gone.Over, a.Kernel.Packets, a.Kernel.Sent, a.Kernel.Over,
		} {
			if n < 0 {
				return fmt.Errorf("account %q: a count of %d", a.Rule, n)
			}
		}
	}
	return nil
}

// written sums up what the audit file holds, by account.
func written(packets map[audit.Account]uint64) map[accountKey]int64 {
	out := map[accountKey]int64{}
	for a, n := range packets {
		out[keyOfEntry(a)] += int64(n)
	}
	return out
}

func keyOfEntry(a audit.Account) accountKey {
	k := accountKey{rule: a.Rule, excess: a.Over != ""}
	if a.Rule == defaultRule {
		for _, d := range policy.Directions {
			if d.String() == a.Direction {
				k.direction = d
			}
		}
	}
	return k
}

// ledger gives the accounts to save. inFile is what entries in the audit file stand for, where there is a file: entries
// that still wait to be written would be missing after a crash.
func (a *accounts) ledger(boot string, seq uint64, inFile map[accountKey]int64) ledger {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := ledger{Boot: boot, Seq: seq, Allowed: a.allowed, Blocked: a.blocked}
	for _, k := range a.keys() {
		acc := a.all[k]
		s := ledgerAccount{
			Rule: k.rule, Direction: k.direction, Excess: k.excess, Action: acc.action, Gone: acc.gone, Kernel: acc.kernel,
			Exempt: acc.exempt, Entered: acc.entered, LastMatch: acc.lastMatch,
		}
		if inFile != nil {
			s.Entered = inFile[k]
		}
		l.Accounts = append(l.Accounts, s)
	}
	return l
}

// restore takes up the accounts of an earlier process: what it saved, what the audit file has beyond, and what the
// kernel, whose table was found in force, counts now. It gives what the audit file's entries stand for, and the entries
// that tell what was counted and has none, as no daemon ran or the last one crashed.
func (a *accounts) restore(now time.Time, l ledger, beyond map[accountKey]int64, counts map[accountKey]reading) (inFile map[accountKey]int64, out []audit.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.allowed, a.blocked = l.Allowed, l.Blocked
	saved, excess := map[accountKey]bool{}, map[string]int64{}
	for _, s := range l.Accounts {
		if s.Excess {
			excess[s.Rule] = s.Gone.plus(s.Kernel).Packets
		}
	}
	for _, s := range l.Accounts {
		k := accountKey{s.Rule, s.Direction, s.Excess}
		saved[k] = true
		acc := &account{
			action: s.Action, severity: policy.Low, gone: s.Gone, kernel: s.Kernel,
			exempt: s.Exempt, entered: s.Entered + beyond[k], lastMatch: s.LastMatch,
		}
		r, counted := counts[k]
		if _, rule := counts[accountKey{rule: k.rule}]; k.excess && rule {
			// They are a part of the rule's, also where it has no bounds any more.
			counted = true
		}
		if !counted {
			// No counter, so no rule of that name: its packets live on in the sums.
			total := acc.total().Packets
			if !k.excess {
				total = max(total-excess[k.rule], 0)
			}
			switch {
			case s.Action == policy.Allow:
				a.allowed += total
			case s.Action.Refuses():
				a.blocked += total
			}
			continue
		}
		a.all[k] = acc
		acc.read(now, r)
	}
	for k, r := range counts {
		if !saved[k] {
			// Nobody knows what was entered of it.
			a.all[k] = &account{kernel: r, exempt: r.Sent + r.Over}
		}
	}
	inFile = map[accountKey]int64{}
	for _, k := range a.keys() {
		acc := a.all[k]
		inFile[k] = acc.entered
		// All of it is lost, also what was over the cap: nobody was there to log the rest.
		acc.over = acc.total().Over
		if n := acc.missing(acc.total().Sent); n > 0 {
			out = append(out, acc.tell(k, audit.Lost, n, l.Saved, "counted while pfwd did not run"))
		} else {
			acc.exempt += n
		}
		acc.atTick, acc.before = acc.total().Sent, acc.total().Sent
		acc.unsettled = false
	}
	return inFile, out
}

// entries gives what entries stand for, by account.
func (a *accounts) entries() map[accountKey]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[accountKey]int64{}
	for k, acc := range a.all {
		out[k] = acc.entered
	}
	return out
}
