package audit

import (
	"slices"
	"strings"
	"time"
)

// loss is what a sink could not take of one account.
type loss struct {
	count  uint64 // packets; of entries that are no packets, entries
	since  time.Time
	reason string
}

// losses are told by the sink itself, in an entry for each account, once it can write again.
type losses map[Account]*loss

// lost is what goes missing with e: packets under their own account. An entry that is no packet goes under none, so that the
// packets of the rule it names still add up.
func lost(e *Entry) (Account, uint64) {
	if e.Weight() == 0 {
		return Account{}, max(1, e.PFW.Count)
	}
	return e.Account(), e.Weight()
}

// since is when the first of the packets was that e stands for.
func (e *Entry) since() time.Time {
	if e.PFW.Since.IsZero() {
		return e.Timestamp
	}
	return e.PFW.Since
}

func (ls losses) add(e *Entry, reason string) (n uint64) {
	account, n := lost(e)
	l, ok := ls[account]
	if !ok {
		l = &loss{since: e.Timestamp}
		ls[account] = l
	}
	if since := e.since(); since.Before(l.since) {
		l.since = since
	}
	l.count += n
	l.reason = reason
	return n
}

// key puts accounts in order.
func (a Account) key() string {
	return a.Rule + "\x00" + a.Direction + "\x00" + a.Action + "\x00" + a.Over
}

// entries empties ls into lost entries, in the same order every time.
func (ls losses) entries(now time.Time, seq func() uint64) []*Entry {
	accounts := make([]Account, 0, len(ls))
	for a := range ls {
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b Account) int {
		return strings.Compare(a.key(), b.key())
	})
	entries := make([]*Entry, 0, len(ls))
	for _, a := range accounts {
		l := ls[a]
		entries = append(entries, &Entry{
			Timestamp: now.UTC(), Seq: seq(), EventType: Lost, Direction: a.Direction,
			PFW: PFW{Rule: a.Rule, Action: a.Action, Over: a.Over, Count: l.count, Since: l.since, Reason: l.reason},
		})
	}
	clear(ls)
	return entries
}
