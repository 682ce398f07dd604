package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What goes to the journal in a second. journald takes 10,000 messages in 30 seconds of one service (RateLimitBurst=) and drops what is
// more, so the sum of journalAll, journalKinds and the event types stays below a third of that for ten seconds.
const (
	journalTime  = time.Second
	journalEach  = 50  // entries of one kind that go by themselves: all that [log] max_rate lets through where the file says nothing else
	journalAll   = 200 // entries of all kinds that do
	journalKinds = 64  // kinds that have a summary of their own; the rest is summed up by event type
)

// digest is what the journal gets of a flood: in each second the first entries of each kind, and a summary of those that were more.
type digest struct {
	began  time.Time // of the second
	passed int       // entries that went by themselves
	each   map[kind]int
	held   map[kind]*held
}

// kind is what is summed up together.
type kind struct {
	event   EventType
	account Account
}

// held is what entries of one kind come to.
type held struct {
	first   *Entry
	gravest *Entry
	count   uint64 // packets; of entries that are no packets, entries
	entries int
	since   time.Time
	inFile  bool
}

func newDigest() *digest { return &digest{each: make(map[kind]int), held: make(map[kind]*held)} }

// idle says that nothing waits to be told.
func (d *digest) idle() bool { return len(d.held) == 0 }

// add says whether e goes into a summary; inFile, whether the file has it. A second ends when its summaries are taken, so one that
// nobody takes, as journald stands still, goes on, and what it holds stays within bounds.
func (d *digest) add(e *Entry, inFile bool, now time.Time) (sumUp bool) {
	switch e.EventType {
	case Drop, Allow, Ban, Unban, Alert, Cut, Suppressed, Lost:
	case Reload, Tamper, Panic: // come one by one, and each is news
		return false
	default:
		panic("audit: digest of " + e.EventType.String())
	}
	if d.idle() && now.Sub(d.began) >= journalTime {
		d.began, d.passed = now, 0
		clear(d.each)
	}
	k := kind{e.EventType, e.Account()}
	if d.passed < journalAll && d.each[k] < journalEach {
		d.passed++
		d.each[k]++
		return false
	}
	h := d.held[k]
	if h == nil && len(d.held) >= journalKinds {
		k.account = Account{}
		h = d.held[k]
	}
	if h == nil {
		h = &held{first: e, gravest: e, since: e.since(), inFile: true}
		d.held[k] = h
	}
	h.add(e, inFile)
	return true
}

func (h *held) add(e *Entry, inFile bool) {
	_, n := lost(e)
	h.count += n
	h.entries++
	h.inFile = h.inFile && inFile
	if e.Priority() < h.gravest.Priority() { // a lower number is graver
		h.gravest = e
	}
	if since := e.since(); since.Before(h.since) {
		h.since = since
	}
}

// take has the summaries where the second is over, or at the last. Else it says how long it still takes, 0 where nothing waits.
func (d *digest) take(now time.Time, last bool) (summaries []*Entry, due time.Duration) {
	if d.idle() {
		return nil, 0
	}
	if due := journalTime - now.Sub(d.began); due > 0 && !last {
		return nil, due
	}
	kinds := slices.SortedFunc(maps.Keys(d.held), func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.event, b.event), strings.Compare(a.account.key(), b.account.key()))
	})
	for _, k := range kinds {
		summaries = append(summaries, d.held[k].summary(k, now))
	}
	clear(d.held)
	return summaries, 0
}

// sum is what waits to be told.
func (d *digest) sum() (n uint64) {
	for _, h := range d.held {
		n += h.count
	}
	return n
}

// summary is one entry for all that were held. It has no number, as it is not logged: the entries are.
func (h *held) summary(k kind, now time.Time) *Entry {
	if h.entries == 1 { // says more
		return h.first
	}
	e := &Entry{
		Timestamp: now.UTC(), EventType: k.event, Direction: k.account.Direction,
		PFW: PFW{Rule: k.account.Rule, Action: k.account.Action, Over: k.account.Over, Severity: h.gravest.PFW.Severity, Count: h.count, Since: h.since},
	}
	switch {
	case k.event == Suppressed || k.event == Lost: // are sums already
		e.PFW.Reason = h.first.PFW.Reason
	case h.inFile:
		e.PFW.Reason = "the audit file has each"
	default:
		e.PFW.Reason = fmt.Sprintf("at most %d a second are told one by one", journalEach)
	}
	return e
}
