package audit

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// journald is a stand-in that notes what it gets.
type journald struct {
	there    bool
	stalled  chan struct{}
	sums     map[string]int // what PFW_COUNT adds up to by rule and action, an entry without it counting one
	messages []string
	stderr   strings.Builder
}

func (j *journald) use(l *Log) {
	l.journal.on = true
	l.journal.limit = 100
	l.journal.digest = nil
	j.sums = map[string]int{}
	l.journal.store = &journalStore{
		enabled: func() bool { return j.there },
		send: func(message string, p journal.Priority, fields map[string]string) error {
			if j.stalled != nil {
				<-j.stalled
			}
			if !j.there {
				return errors.New("connection refused")
			}
			n, err := strconv.Atoi(cmp.Or(fields["PFW_COUNT"], "1"))
			if err != nil {
				return err
			}
			j.sums[fields["PFW_RULE"]+" "+fields["PFW_EVENT_TYPE"]] += n
			j.messages = append(j.messages, fmt.Sprintf("<%d>%s PFW_RULE=%s", p, message, fields["PFW_RULE"]))
			return nil
		},
		stderr: &j.stderr,
	}
}

// digests is use with what the journal gets of a flood as it is.
func (j *journald) digests(l *Log) {
	j.use(l)
	l.journal.limit, l.journal.digest = journalQueue, newDigest()
}

func TestTheJournalGetsTheSameEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true}
		l := start(t, newSetup(t).options(), j.use)
		l.Append(telnet())
		l.stop()
		want := "<4>BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet-smtp PFW_RULE=no-telnet-smtp"
		if len(j.messages) != 1 || j.messages[0] != want || j.stderr.String() != "" {
			t.Errorf("got %q and on standard error %q", j.messages, &j.stderr)
		}
	})
}

func TestWithoutAJournalTheMessageGoesToStandardError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journald{}
		l := start(t, newSetup(t).options(), j.use)
		l.Append(drop("before"))
		synctest.Wait()
		j.there = true
		time.Sleep(recheckTime)
		synctest.Wait()
		l.Append(drop("there"))
		synctest.Wait()
		j.there = false
		l.Append(drop("gone"))
		l.stop()
		if got := fmt.Sprint(j.messages); got != "[<6>BLOCKED rule=there PFW_RULE=there]" {
			t.Errorf("the journal got %s", got)
		}
		if got := j.stderr.String(); got != "BLOCKED rule=before\nBLOCKED rule=gone\n" {
			t.Errorf("standard error got %q", got)
		}
	})
}

func TestAStalledJournalHoldsUpNeitherAppendNorTheFile(t *testing.T) {
	s := newSetup(t)
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true, stalled: make(chan struct{})}
		l := start(t, s.options(), j.use)
		l.Append(drop("a"))
		synctest.Wait() // now it hangs
		for range 150 {
			l.Append(drop("b"))
		}
		time.Sleep(batchTime)
		synctest.Wait()
		if st := l.Stats(); st.File.Written != 151 || st.Journal.Dropped != 51 || st.Lost != 0 {
			t.Errorf("stats %+v", st)
		}
		close(j.stalled)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if last := j.messages[len(j.messages)-1]; len(j.messages) != 101 || !strings.HasPrefix(last, "<4>LOST 51 packets rule=b since 2000-01-01T00:00:00Z: journal: more entries") {
			t.Errorf("%d messages, the last is %s", len(j.messages), last)
		}
		l.stop()
	})
	if n := len(entries(t, s.file)); n != 151 {
		t.Errorf("%d entries in the file", n)
	}
}

func TestAJournalThatHangsAtTheEndIsLeftBehind(t *testing.T) {
	s := newSetup(t)
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true, stalled: make(chan struct{})}
		l := start(t, s.options(), j.use)
		for range 150 {
			l.Append(drop("a"))
		}
		began := time.Now()
		l.stop()
		if d := time.Since(began); d != flushTime {
			t.Errorf("the end took %v", d)
		}
		if want := "audit entries not written at the end\" sink=journal packets=150"; !strings.Contains(l.story.String(), want) {
			t.Errorf("logged %s", l.story)
		}
		close(j.stalled)
	})
}

func TestWithoutAFileWhatTheJournalDropsIsLost(t *testing.T) {
	s := newSetup(t)
	s.file = ""
	synctest.Test(t, func(t *testing.T) {
		j := &journald{there: true, stalled: make(chan struct{})}
		l := start(t, s.options(), j.use)
		for range 150 {
			l.Append(drop("a"))
		}
		if st := l.Stats(); st.Lost == 0 || st.Lost != st.Journal.Dropped {
			t.Errorf("stats %+v", st)
		}
		close(j.stalled)
		l.stop()
	})
}
