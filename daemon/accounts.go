package daemon

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/enforce"
)

// accounts see to it that for every rule that logs, entries + suppressed + lost is the kernel's packet counter. All
// numbers only rise, also over a restart: what a counter had when the kernel dropped it is carried on in account.gone.
type accounts struct {
	mu  sync.Mutex
	all map[accountKey]*account
	// allowed and blocked count the packets of rules whose accounts are closed.
	allowed, blocked int64
}

// accountKey names a counter of the kernel. A rule has one counter for all its directions; the default has one for each.
type accountKey struct {
	rule      string // defaultRule where no rule matched
	direction policy.Direction
	// excess is what of the rule's packets was over a bound of it, and blocked: a part of them, logged for itself.
	excess bool
}

const defaultRule = "default"

type account struct {
	action   policy.Verdict
	severity policy.Severity
	// gone is what counters of this name had when the kernel dropped them; kernel is the latest reading.
	gone, kernel reading
	// atTick is what had been sent to the log at the latest tick, before at the tick before.
	atTick, before int64
	// entered is how many packets entries stand for, enteredBefore what it was at the latest tick.
	entered, enteredBefore int64
	// over is how many packets over the log cap are among entered.
	over int64
	// exempt is how many packets need no entry, as nobody can know what became of them.
	exempt int64
	// unsettled says that there may be something to tell: until a tick finds the account even and at rest.
	unsettled bool
	// overSince and lostSince are when what is to be told began to gather.
	overSince, lostSince time.Time
	lastMatch            time.Time
}

// reading is what the kernel counts of one rule: of the packets that are to be logged, those that it sent a message of
// and those over the log cap. Signed, as differences are taken all the time.
type reading struct {
	Packets int64 `json:"packets"`
	Sent    int64 `json:"sent"`
	Over    int64 `json:"over"`
}

func (r reading) plus(o reading) reading {
	return reading{r.Packets + o.Packets, r.Sent + o.Sent, r.Over + o.Over}
}

// below tells that a counter began anew since o was read.
func (r reading) below(o reading) bool {
	return r.Packets < o.Packets || r.Sent < o.Sent || r.Over < o.Over
}

func readingOf(c enforce.RuleCounters) reading {
	return reading{int64(c.Packets), int64(c.Sent), int64(c.Over)}
}

// readings flattens what the kernel counts, by account.
func readings(c enforce.Counters) map[accountKey]reading {
	out := make(map[accountKey]reading, len(c.Rules)+len(c.Defaults))
	for name, r := range c.Rules {
		out[accountKey{rule: string(name)}] = readingOf(r)
	}
	for name, r := range c.Excess {
		out[accountKey{rule: string(name), excess: true}] = readingOf(r)
	}
	for d, r := range c.Defaults {
		out[accountKey{rule: defaultRule, direction: d}] = readingOf(r)
	}
	return out
}

// gather is how long packets over the cap, or lost, are summed up before an entry tells of them. The contract allows
// five seconds; two ticks come on top.
const gather = 2 * time.Second

func newAccounts() *accounts { return &accounts{all: map[accountKey]*account{}} }

func keyOf(t enforce.Tag) accountKey {
	if t.Kind == enforce.ByDefault {
		return accountKey{rule: defaultRule, direction: t.Direction}
	}
	return accountKey{rule: string(t.Rule), excess: t.Over != policy.Over{}}
}

// get opens an account where there is none.
func (a *accounts) get(k accountKey) *account {
	acc, ok := a.all[k]
	if !ok {
		acc = &account{}
		a.all[k] = acc
	}
	return acc
}

// received counts a packet that an entry was written for.
func (a *accounts) received(k accountKey, when time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc := a.get(k)
	acc.entered++
	acc.unsettled = true
	// One that lies ahead is of before the clock was set back.
	if when.After(acc.lastMatch) || acc.lastMatch.Sub(when) > gather {
		acc.lastMatch = when
	}
}

// read takes down what the kernel counts now.
func (a *accounts) read(now time.Time, counts map[accountKey]reading) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, r := range counts {
		a.get(k).read(now, r)
	}
}

// tick comes after a reading, once a second. It tells whether due has anything to look at.
func (a *accounts) tick() (unsettled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, acc := range a.all {
		acc.before, acc.atTick = acc.atTick, acc.total().Sent
		unsettled = unsettled || acc.unsettled
	}
	return unsettled
}

func (acc *account) read(now time.Time, r reading) {
	if r.below(acc.kernel) {
		// Somebody deleted the counter, and it was made again.
		acc.gone, acc.kernel = acc.total(), reading{}
	}
	if r != acc.kernel {
		acc.unsettled = true
		// Entries know the moment better; but not every packet has one.
		if now.Sub(acc.lastMatch).Abs() > gather {
			acc.lastMatch = now
		}
	}
	acc.kernel = r
}

func (acc *account) total() reading { return acc.gone.plus(acc.kernel) }

// untold is how many packets over the cap no entry tells of yet.
func (acc *account) untold() int64 { return acc.total().Over - acc.over }

// missing is how many of the messages sent have no entry.
func (acc *account) missing(sent int64) int64 { return sent + acc.over - acc.exempt - acc.entered }

// due gives the entries that tell of packets over the cap and of packets lost. quiet says that everything which the
// kernel had sent to the log by the tick before has been received; certain is how many messages are known to be lost
// from gaps in their numbers, all accounts together.
//
// A packet is counted before its message is sent. So what is missing from the older count is lost if all messages of
// that time are in; else it may be on its way, and only what is certain is told of. The sum never runs ahead of the
// counter.
func (a *accounts) due(now time.Time, quiet bool, certain int64) []audit.Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []audit.Entry
	for _, k := range a.keys() {
		acc := a.all[k]
		if !acc.unsettled {
			continue
		}
		still := acc.before == acc.total().Sent
		if n := acc.untold(); ripe(&acc.overSince, n, now, still) {
			out = append(out, acc.tell(k, audit.Suppressed, n, acc.overSince, "over the rule's log cap"))
			acc.over += n
			acc.overSince = time.Time{}
		}
		n := acc.missing(acc.before)
		if !quiet {
			n = min(n, certain)
		}
		if ripe(&acc.lostSince, n, now, quiet && still) {
			out = append(out, acc.tell(k, audit.Lost, n, acc.lostSince, "the kernel could not hand over the log messages"))
			certain -= n
			acc.lostSince = time.Time{}
		}
		// What was entered by the last tick has been counted by now, unless somebody deleted the counter meanwhile.
		if surplus := acc.enteredBefore - (acc.total().Sent + acc.over - acc.exempt); surplus > 0 {
			acc.exempt -= surplus
		}
		acc.enteredBefore = acc.entered
		if quiet && still {
			acc.unsettled = acc.missing(acc.before) != 0
		}
	}
	return out
}

// ripe tells whether it is time to write an entry of n packets that gathered.
func ripe(since *time.Time, n int64, now time.Time, atOnce bool) bool {
	if n <= 0 {
		*since = time.Time{}
		return false
	}
	if since.IsZero() {
		*since = now
	}
	return atOnce || now.Sub(*since) >= gather
}

// tell makes an entry that stands for n packets.
func (acc *account) tell(k accountKey, t audit.EventType, n int64, since time.Time, reason string) audit.Entry {
	acc.entered += n
	e := audit.Entry{EventType: t, PFW: audit.PFW{Rule: k.rule, Count: uint64(n), Since: since, Reason: reason}}
	if k.direction != 0 {
		e.Direction = k.direction.String()
	}
	if k.excess {
		e.PFW.Over = overAny
	}
	if acc.action != 0 {
		e.PFW.Action, e.PFW.Severity = acc.action.String(), acc.severity.String()
	}
	return e
}

// compareBools puts false first.
func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

// overAny is what an entry is over that stands for packets over whatever bound.
const overAny = "bound"

// keys lists the accounts in the same order every time.
func (a *accounts) keys() []accountKey {
	return slices.SortedFunc(maps.Keys(a.all), func(x, y accountKey) int {
		return cmp.Or(cmp.Compare(x.rule, y.rule), cmp.Compare(x.direction, y.direction), compareBools(x.excess, y.excess))
	})
}
