package daemon

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
)

var telnetKey = accountKey{rule: "no-telnet"}

// book is a ledger that a test keeps by hand: what the kernel counted, and what entries say of it.
type books struct {
	a       *accounts
	now     time.Time
	kernel  reading
	entered map[audit.EventType]int64
}

func newBooks() *books {
	return &books{a: newAccounts(), now: time.Unix(1e9, 0), entered: map[audit.EventType]int64{}}
}

// packets count sent messages and packets over the cap; of the messages, so many arrive.
func (b *books) packets(sent, over, arrive int64) {
	b.kernel = b.kernel.plus(reading{sent + over, sent, over})
	for range arrive {
		b.a.received(telnetKey, b.now)
		b.entered[audit.Drop]++
	}
}

func (b *books) tick(quiet bool, certain int64) {
	b.now = b.now.Add(time.Second)
	b.a.read(b.now, map[accountKey]reading{telnetKey: b.kernel})
	b.a.tick()
	for _, e := range b.a.due(b.now, quiet, certain) {
		b.entered[e.EventType] += int64(e.PFW.Count)
	}
}

func (b *books) sum() (n int64) {
	for v := range maps.Values(b.entered) {
		n += v
	}
	return n
}

func TestAccountsAreEven(t *testing.T) {
	for _, c := range []struct {
		name                   string
		do                     func(*books)
		drop, lost, suppressed int64
	}{
		{"all arrive", func(b *books) { b.packets(10, 0, 10) }, 10, 0, 0},
		{"some are lost", func(b *books) { b.packets(10, 0, 7) }, 7, 3, 0},
		{"all are lost", func(b *books) { b.packets(10, 0, 0) }, 0, 10, 0},
		{"some are over the cap", func(b *books) { b.packets(10, 90, 10) }, 10, 0, 90},
		{"some are over the cap and some lost", func(b *books) { b.packets(10, 90, 4) }, 4, 6, 90},
		{"messages arrive before the counter is read", func(b *books) { b.packets(0, 0, 5); b.tick(true, 0); b.packets(5, 0, 0) }, 5, 0, 0},
		{"messages arrive late", func(b *books) {
			b.packets(5, 0, 0)
			b.tick(false, 0)
			b.tick(false, 0)
			b.tick(false, 0)
			b.packets(0, 0, 5)
		}, 5, 0, 0},
		{"a gap in the numbers while packets go on", func(b *books) {
			b.packets(100, 0, 60)
			for range 5 {
				b.packets(1, 0, 1)
				b.tick(false, 40-b.entered[audit.Lost])
			}
			if b.entered[audit.Lost] < 39 {
				panic("what is certain is not told while packets go on")
			}
		}, 65, 40, 0},
		{"a steady flood over the cap", func(b *books) {
			for range 20 {
				b.packets(50, 1000, 50)
				b.tick(false, 0)
			}
		}, 1000, 0, 20000},
		{"the counter is deleted and made again", func(b *books) {
			b.packets(10, 5, 10)
			b.tick(true, 0)
			b.kernel = reading{}
			b.packets(3, 1, 2)
		}, 12, 1, 6},
	} {
		b := newBooks()
		c.do(b)
		for range 3 {
			b.tick(true, 0)
		}
		want := map[audit.EventType]int64{audit.Drop: c.drop, audit.Lost: c.lost, audit.Suppressed: c.suppressed}
		for kind, n := range want {
			if b.entered[kind] != n {
				t.Errorf("%s: %d %s, want %d", c.name, b.entered[kind], kind, n)
			}
		}
		b.a.read(b.now, map[accountKey]reading{telnetKey: b.kernel})
		if b.a.tick() {
			t.Errorf("%s: there is still something to do", c.name)
		}
	}
}

func TestSumNeverRunsAheadOfTheCounter(t *testing.T) {
	b := newBooks()
	for i := range int64(200) {
		arrive := int64(7)
		if i%3 == 0 {
			arrive = 4 // the rest comes with the next
		} else if i%3 == 1 {
			arrive = 10
		}
		b.packets(7, i%5, arrive)
		b.tick(false, 0)
		if ahead := b.sum() - b.kernel.Packets; ahead > 3 {
			t.Fatalf("after %d ticks %d entries more than packets", i, ahead)
		}
	}
}

func TestWhatIsToldComesInTime(t *testing.T) {
	b := newBooks()
	b.packets(0, 100, 0)
	for seconds := 0; b.entered[audit.Suppressed] == 0; seconds++ {
		if seconds == 5 {
			t.Fatal("nothing told after 5 s")
		}
		b.packets(1, 10, 1) // goes on all the time
		b.tick(false, 0)
	}
}

func TestAccountsOverACrash(t *testing.T) {
	for _, c := range []struct {
		name          string
		saved, beyond int64 // packets that entries in the file stand for
		packets, over int64 // what the kernel counts now, on top of 10 packets and none over
		lost          int64
	}{
		{"nothing happened", 10, 0, 0, 0, 0},
		{"entries after the last save", 10, 4, 4, 0, 0},
		{"packets while no pfwd ran", 10, 0, 7, 0, 7},
		{"packets over the cap while no pfwd ran", 10, 0, 2, 5, 7},
		{"both", 10, 4, 6, 3, 5},
		{"entries that did not reach the file", 8, 0, 0, 0, 2},
	} {
		before := newBooks()
		before.packets(10, 0, 10)
		for range 3 {
			before.tick(true, 0)
		}
		saved := before.a.ledger("boot", 17, map[accountKey]int64{telnetKey: c.saved})
		now := before.kernel.plus(reading{c.packets + c.over, c.packets, c.over})

		after := newAccounts()
		inFile, entries := after.restore(before.now, saved, map[accountKey]int64{telnetKey: c.beyond}, map[accountKey]reading{telnetKey: now})
		var lost int64
		for _, e := range entries {
			if e.EventType != audit.Lost || e.PFW.Rule != "no-telnet" {
				t.Errorf("%s: entry %+v", c.name, e)
			}
			lost += int64(e.PFW.Count)
		}
		if lost != c.lost || inFile[telnetKey] != c.saved+c.beyond {
			t.Errorf("%s: %d lost and %d in the file, want %d and %d", c.name, lost, inFile[telnetKey], c.lost, c.saved+c.beyond)
		}
		after.read(before.now, map[accountKey]reading{telnetKey: now})
		if after.tick() {
			t.Errorf("%s: not even", c.name)
		}
	}
}

func TestTableWithoutSavedAccountsOwesNothing(t *testing.T) {
	a := newAccounts()
	_, entries := a.restore(time.Now(), ledger{}, nil, map[accountKey]reading{telnetKey: {100, 60, 40}})
	if len(entries) != 0 {
		t.Errorf("entries %+v", entries)
	}
}

func TestSumsKeepPacketsOfRulesThatAreGone(t *testing.T) {
	a := newAccounts()
	p := policyOf(t, policy.Rule{Name: "no-telnet", Action: policy.Block, Scope: policy.Inbound{}, Traffic: policy.AnyTraffic{}, Log: true, Severity: policy.Low})
	a.inForce(time.Now(), p, nil)
	a.read(time.Now(), map[accountKey]reading{telnetKey: {Packets: 7}, {rule: defaultRule, direction: policy.Out}: {Packets: 5}})
	a.inForce(time.Now(), policyOf(t), map[accountKey]reading{telnetKey: {Packets: 8}})
	if allowed, blocked := a.sums(); allowed != 5 || blocked != 8 {
		t.Errorf("allowed %d, blocked %d; want 5 and 8", allowed, blocked)
	}
	again := newAccounts()
	again.restore(time.Now(), a.ledger("boot", 0, nil), nil, map[accountKey]reading{{rule: defaultRule, direction: policy.Out}: {Packets: 6}})
	if allowed, blocked := again.sums(); allowed != 6 || blocked != 8 {
		t.Errorf("after a restart: allowed %d, blocked %d; want 6 and 8", allowed, blocked)
	}
}

// What is over a bound is a part of the rule's packets, and blocked whatever the rule does.
func TestWhatIsOverABoundIsBlocked(t *testing.T) {
	rule := policy.Rule{Name: "ssh", Action: policy.Allow, Scope: policy.Inbound{}, Traffic: policy.AnyTraffic{}, Severity: policy.High,
		Limit: &policy.Limit{Rate: policy.Rate{Packets: 10, Per: time.Minute}, Burst: 10, Per: policy.PerRule}}
	within, excess := accountKey{rule: "ssh"}, accountKey{rule: "ssh", excess: true}
	a, now := newAccounts(), time.Now()
	a.inForce(now, policyOf(t, rule), nil)
	counts := map[accountKey]reading{within: {Packets: 100}, excess: {Packets: 40, Sent: 25, Over: 15}}
	a.read(now, counts)
	for range 25 {
		a.received(excess, now)
	}
	a.tick()
	a.tick()
	entries := a.due(now, true, 0)
	if len(entries) != 1 || entries[0].EventType != audit.Suppressed || entries[0].PFW.Count != 15 || entries[0].PFW.Action != "block" ||
		entries[0].PFW.Rule != "ssh" || entries[0].PFW.Severity != "high" || entries[0].PFW.Over == "" {
		t.Errorf("entries %+v", entries)
	}
	sums := func(a *accounts, allowed, blocked uint64) {
		t.Helper()
		if x, y := a.sums(); x != allowed || y != blocked {
			t.Errorf("allowed %d, blocked %d; want %d and %d", x, y, allowed, blocked)
		}
	}
	sums(a, 60, 40)
	if got := a.lastMatch(within); !got.Equal(now) {
		t.Errorf("last match %s, want %s", got, now)
	}
	saved := a.ledger("boot", 0, nil)
	restart := func(counts map[accountKey]reading, beyond map[accountKey]int64) (*accounts, []audit.Entry) {
		again := newAccounts()
		_, lost := again.restore(now, saved, beyond, counts)
		return again, lost
	}
	// The next process finds all of it accounted for, and what was counted meanwhile lost.
	again, lost := restart(counts, nil)
	if sums(again, 60, 40); len(lost) > 0 {
		t.Errorf("lost %+v", lost)
	}
	again, lost = restart(map[accountKey]reading{within: {Packets: 103}, excess: {Packets: 42, Sent: 27, Over: 15}},
		map[accountKey]int64{keyOfEntry(audit.Account{Rule: "ssh", Action: "block", Over: "limit"}): 1})
	if sums(again, 61, 42); len(lost) != 1 || lost[0].PFW.Count != 1 || lost[0].PFW.Over == "" {
		t.Errorf("lost %+v", lost)
	}
	// The rule without its limit, and without any rule.
	again, _ = restart(map[accountKey]reading{within: {Packets: 110}}, nil)
	sums(again, 70, 40)
	again, _ = restart(nil, nil)
	sums(again, 60, 40)
	rule.Limit = nil
	a.inForce(now, policyOf(t, rule), map[accountKey]reading{excess: {Packets: 41, Sent: 26, Over: 15}})
	a.read(now, map[accountKey]reading{within: {Packets: 105}})
	sums(a, 64, 41)
}

func policyOf(t *testing.T, rules ...policy.Rule) *policy.Policy {
	t.Helper()
	p, problems := policy.New(policy.Defaults{Inbound: policy.Block, Outbound: policy.Allow}, policy.Log{Unmatched: true, Group: 100}, rules, time.Now())
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

func TestGroupOfAllowedIsBoundOnlyWhereSomethingReadsIt(t *testing.T) {
	allow := policy.Rule{Name: "ssh", Action: policy.Allow, Scope: policy.Inbound{}, Traffic: policy.AnyTraffic{}, Severity: policy.Low}
	if got := groupsOf(policyOf(t, allow), false); !slices.Equal(got, []uint16{100}) {
		t.Errorf("groups %v", got)
	}
	if got := groupsOf(policyOf(t, allow), true); !slices.Equal(got, []uint16{100, 101}) {
		t.Errorf("groups %v while somebody watches", got)
	}
	allow.Log = true
	if got := groupsOf(policyOf(t, allow), false); !slices.Equal(got, []uint16{100, 101}) {
		t.Errorf("groups %v with a rule that logs what it allows", got)
	}
}

func TestLastMatchFollowsAClockThatIsSetBack(t *testing.T) {
	a := newAccounts()
	k := accountKey{rule: "web"}
	ahead := time.Now().Add(24 * time.Hour)
	a.received(k, ahead)
	now := time.Now()
	a.received(k, now)
	if got := a.lastMatch(k); !got.Equal(now) {
		t.Errorf("last match %s, %s after now", got, got.Sub(now))
	}
	a.received(k, ahead)
	a.read(now, map[accountKey]reading{k: {Packets: 1}})
	if got := a.lastMatch(k); !got.Equal(now) {
		t.Errorf("by the counter: last match %s, %s after now", got, got.Sub(now))
	}
}
