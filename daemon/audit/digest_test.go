package audit

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheJournalGetsASummaryASecondOfAFlood(t *testing.T) {
	s := newSetup(t)
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true}
		l := start(t, s.options(), j.digests)
		for range 3000 { // a thousand a second
			l.Append(drop("a"))
			time.Sleep(time.Millisecond)
		}
		l.Append(drop("b"))
		time.Sleep(journalTime + batchTime)
		synctest.Wait()
		before := len(j.messages)
		time.Sleep(3 * journalTime)
		synctest.Wait()
		l.stop()
		if len(j.messages) != before {
			t.Errorf("long after the flood the journal still gets %q", j.messages[before:])
		}
		if n := len(j.messages); n > 3*(journalEach+1)+journalEach+1 {
			t.Errorf("%d messages", n)
		}
		if j.sums["a drop"] != 3000 || j.sums["b drop"] != 1 {
			t.Errorf("the journal accounts for %v", j.sums)
		}
		summary := regexp.MustCompile(`^<6>BLOCKED 9\d\d more in the last second rule=a \(the audit file has each\) PFW_RULE=a$`)
		if !slices.ContainsFunc(j.messages, summary.MatchString) {
			t.Errorf("no summary in %q", j.messages)
		}
	})
	if n := len(entries(t, s.file)); n != 3001 {
		t.Errorf("%d entries in the file", n)
	}
}

func TestTheLastSummaryOfAFloodComesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true}
		l := start(t, newSetup(t).options(), j.digests)
		for range journalEach + 7 {
			l.Append(drop("a"))
		}
		time.Sleep(journalTime + batchTime)
		synctest.Wait()
		if j.sums["a drop"] != journalEach+7 || len(j.messages) != journalEach+1 {
			t.Errorf("%d messages account for %v", len(j.messages), j.sums)
		}
		l.stop()
	})
}

func TestWhatWaitsToBeSummedUpIsToldAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true}
		l := start(t, newSetup(t).options(), j.digests)
		for range journalEach + 7 {
			l.Append(drop("a"))
		}
		began := time.Now()
		l.stop()
		if j.sums["a drop"] != journalEach+7 || time.Since(began) > journalTime/2 {
			t.Errorf("after %v the journal accounts for %v", time.Since(began), j.sums)
		}
	})
}

func TestOneTooManyIsToldAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true}
		l := start(t, newSetup(t).options(), j.digests)
		for range journalEach {
			l.Append(drop("a"))
		}
		l.Append(with(telnet(), func(e *Entry) { e.PFW.Rule = "a" }))
		l.stop()
		if last := j.messages[len(j.messages)-1]; !strings.Contains(last, "BLOCKED in tcp 203.0.113.7:40312") {
			t.Errorf("the last message is %s", last)
		}
	})
}

// Nobody is promised what the file does not have: there is none, it cannot be written, or not as fast.
func TestASummarySaysWhetherTheFileHasEach(t *testing.T) {
	const has, hasNot = "(the audit file has each)", "(at most 50 a second are told one by one)"
	for name, c := range map[string]struct {
		change func(*Log)
		want   string
	}{
		"a file":       {func(*Log) {}, has},
		"no file":      {func(l *Log) { l.file.on = false }, hasNot},
		"a full disk":  {func(l *Log) { l.file.store = stalled{l.file.store} }, hasNot},
		"a short wait": {func(l *Log) { l.file.limit = 10 }, hasNot},
	} {
		t.Run(name, func(t *testing.T) {
			o := newSetup(t).options()
			synctest.Test(t, func(t *testing.T) {
				j := &journald{there: true}
				l := start(t, o, j.digests, c.change)
				l.Append(drop("first"))
				time.Sleep(10 * batchTime) // by now it is known what becomes of it
				for range journalEach + 20 {
					l.Append(drop("a"))
				}
				l.stop()
				if last := j.messages[len(j.messages)-1]; !strings.Contains(last, "BLOCKED 20 more in the last second rule=a "+c.want) {
					t.Errorf("the last message is %s", last)
				}
			})
		})
	}
}

// Ten thousand rules at once, and everything else that comes in numbers: few messages, little memory, all accounted for.
func TestAFloodOverAllRulesIsBoundedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true}
		l := start(t, newSetup(t).options(), j.digests)
		const rules, seconds = 10000, 4
		for range seconds {
			for i := range rules {
				e := drop(fmt.Sprint("r", i))
				l.Append(e)
				l.Append(with(e, func(e *Entry) { e.EventType, e.PFW.Count = Suppressed, 7 }))
				l.Append(with(e, func(e *Entry) { e.EventType = Ban }))
			}
			if d := l.journal.digest; len(d.each) > journalAll || len(d.held) > journalKinds+len(EventTypes) {
				t.Errorf("%d kinds are counted, %d held", len(d.each), len(d.held))
			}
			l.Append(Entry{EventType: Tamper, PFW: PFW{Rule: "somebody"}})
			time.Sleep(journalTime + batchTime)
		}
		l.stop()
		if n, most := len(j.messages), seconds*(journalAll+journalKinds+4); n > most {
			t.Errorf("%d messages, more than %d", n, most)
		}
		sums := map[string]int{}
		for k, n := range j.sums {
			_, event, _ := strings.Cut(k, " ")
			sums[event] += n
		}
		want := map[string]int{"drop": rules * seconds, "suppressed": 7 * rules * seconds, "ban": rules * seconds, "tamper": seconds}
		if !maps.Equal(sums, want) {
			t.Errorf("the journal accounts for %v, want %v", sums, want)
		}
	})
}

func TestASummaryHasTheGravestSeverity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true}
		l := start(t, newSetup(t).options(), j.digests)
		for i := range journalEach + 3 {
			l.Append(with(drop("a"), func(e *Entry) { e.PFW.Severity = []string{"low", "high"}[i%2] }))
		}
		l.stop()
		if last := j.messages[len(j.messages)-1]; !strings.HasPrefix(last, "<4>BLOCKED 3 more") {
			t.Errorf("the last message is %s", last)
		}
	})
}

// What comes while journald stands still is summed up when it goes on, and nothing of it lost.
func TestAFloodWhileTheJournalStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true, stalled: make(chan struct{})}
		l := start(t, newSetup(t).options(), j.digests)
		for range 12000 {
			l.Append(drop("a"))
			time.Sleep(time.Millisecond)
		}
		close(j.stalled)
		synctest.Wait()
		l.stop()
		if j.sums["a drop"] != 12000 || l.Stats().Journal.Dropped != 0 {
			t.Errorf("the journal accounts for %v; %d dropped", j.sums, l.Stats().Journal.Dropped)
		}
		if last := j.messages[len(j.messages)-1]; len(j.messages) != journalEach+1 || !strings.HasPrefix(last, "<6>BLOCKED 11,950 more in the last 12s rule=a") {
			t.Errorf("%d messages, the last is %s", len(j.messages), last)
		}
	})
}

func TestAFloodWithoutAJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{}
		l := start(t, newSetup(t).options(), j.digests)
		for range 1000 {
			l.Append(drop("a"))
		}
		l.stop()
		lines := strings.Split(strings.TrimSpace(j.stderr.String()), "\n")
		if last := lines[len(lines)-1]; len(lines) != journalEach+1 || last != "BLOCKED 950 more in the last second rule=a (the audit file has each)" {
			t.Errorf("%d lines, the last is %q", len(lines), last)
		}
	})
}

func TestWhatWaitsBehindAStalledJournalAtTheEndIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true, stalled: make(chan struct{})}
		l := start(t, newSetup(t).options(), j.digests)
		for range 150 {
			l.Append(drop("a"))
		}
		l.stop()
		if want := "sink=journal packets=150"; !strings.Contains(l.story.String(), want) {
			t.Errorf("logged %s", l.story)
		}
		close(j.stalled)
	})
}
