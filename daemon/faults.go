package daemon

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"pfw/daemon/api"
)

// fault names something that is wrong and that a person can mend. The zero value is invalid.
type fault uint8

const (
	_ fault = iota
	// badFile: firewall.toml is not what is in force, as it is not valid.
	badFile
	// tampered: somebody else changed the table.
	tampered
	// unrestored: the table is not as it should be, and could not be put right.
	unrestored
	// unscheduled: the table is not as schedules want it by now.
	unscheduled
	// misplaced: packets are dropped before conntrack that perhaps should not be.
	misplaced
	// lockout: somebody who is logged in could not log in again.
	lockout
	// foreignTable: something beside pfw decides about packets too. It may be meant so, as by who runs containers, and is
	// a notice only.
	foreignTable
	// uncut: a connection that the policy forbids may go on.
	uncut
	// unreverted: a trial is over, and what it replaced cannot be put in force.
	unreverted
	// unconfirmed: a trial was not confirmed in time. All is as before it, so it is a notice only.
	unconfirmed
	// bansFull: who is to be banned next is not.
	bansFull
	// unseen: a detector has no room for all that goes on. For a while it is blind, so it is a notice only.
	unseen
	// clockWasSet: the wall clock did not go on as time did. It may be meant so, and is a notice only.
	clockWasSet
	// unreadBans: the bans of before are not known.
	unreadBans
	// unbanned: bans that were to go on are not in force.
	unbanned
	// unsavedPolicy, unsavedAccounts, unsavedBans: the state directory cannot be written.
	unsavedPolicy
	unsavedAccounts
	// unsavedPanic: whether everything is blocked would be another matter after a restart.
	unsavedPanic
	unsavedBans
	unsavedLists
	// unfetched: lists from the net are empty. unrefreshed: they are not up to date.
	unfetched
	unrefreshed
	unsavedNames
	// addressesFull: an address that a name has is not taken for one.
	addressesFull
	// unlearned: the kernel does not know an address of a name.
	unlearned
	// unheard: answers of the DNS did not come here.
	unheard
	// unresolved: no address of a name is known, as nobody answers. nameless: there is none, which is a notice only.
	unresolved
	nameless
	// fileSink, journalSink: entries cannot be written there.
	fileSink
	journalSink
	// staleCountries: the database of countries is old. Rules still do what they say, so it is a notice only.
	staleCountries
)

// faults are what `pfw status` shows as wrong.
type faults struct {
	mu  sync.Mutex
	now map[fault]standing
}

type standing struct {
	since        time.Time
	until        time.Time // zero: until it is cleared
	what, remedy string
}

func newFaults() *faults { return &faults{now: map[fault]standing{}} }

// set tells of a fault; one that stands already keeps its time.
func (f *faults) set(k fault, what, remedy string) { f.hold(k, 0, what, remedy) }

// hold is set for something that is over and that people should see for a while.
func (f *faults) hold(k fault, d time.Duration, what, remedy string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := standing{since: time.Now(), what: what, remedy: remedy}
	if old, ok := f.now[k]; ok {
		s.since = old.since
	}
	if d > 0 {
		s.until = time.Now().Add(d)
	}
	f.now[k] = s
}

func (f *faults) clear(k fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.now, k)
}

func (f *faults) stands(k fault) bool {
	_, ok := f.what(k)
	return ok
}

// what is wrong, where it is.
func (f *faults) what(k fault) (what string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.now[k]
	return s.what, ok
}

// notice tells whether a person should know of it and nothing is wrong.
func (k fault) notice() bool {
	return k == foreignTable || k == unconfirmed || k == nameless || k == unseen || k == clockWasSet || k == staleCountries
}

// list gives what is wrong, the oldest first.
func (f *faults) list() []api.Fault { return f.those(func(k fault) bool { return !k.notice() }) }

// notices gives what is to be known and is not wrong, the oldest first.
func (f *faults) notices() []api.Fault { return f.those(fault.notice) }

func (f *faults) those(wanted func(fault) bool) []api.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []api.Fault{}
	for k, s := range f.now {
		if !s.until.IsZero() && time.Now().After(s.until) {
			delete(f.now, k)
			continue
		}
		if !wanted(k) {
			continue
		}
		out = append(out, api.Fault{Since: api.Time{Time: s.since}, What: s.what, Remedy: s.remedy})
	}
	slices.SortFunc(out, func(a, b api.Fault) int {
		return cmp.Or(a.Since.Compare(b.Since.Time), cmp.Compare(a.What, b.What))
	})
	return out
}

// unsaved tells of a state directory that cannot be written.
func (d *Daemon) unsaved(k fault, err error) {
	d.faults.set(k, "the state directory cannot be written: "+err.Error(),
		"free space on the disk, and let user pfw write to "+d.o.StateDir)
}
