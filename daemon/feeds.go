package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pfw/config"
)

// feeds is what is known of the lists that are fetched from the net. pfwd fetches none itself: it says what is due, judges what it
// is brought, and keeps the last good copies.
type feeds struct {
	d   *Daemon
	dir string

	// room holds one for each text that is taken in: however many are sent at once, the disk is to have room left.
	room chan struct{}
	// copies counts the copies that were replaced, so that a policy which was read before is known to be of older ones.
	copies atomic.Uint64

	mu    sync.Mutex
	known map[string]feedState // by the names of copies
	// begun are the tickets of fetches that are under way.
	begun map[string]bool
}

// mostTexts is how many texts are taken in at once.
const mostTexts = 8

// freshEnd ends the names of texts that are yet to be judged.
const freshEnd = ".new"

// feedState is what is known of one list, and kept over restarts.
type feedState struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	// Good is when the copy was last known to be what the net has, Tried when that was last looked for.
	Good  time.Time `json:"good,omitzero"`
	Tried time.Time `json:"tried,omitzero"`
	Next  time.Time `json:"next,omitzero"`
	// Error and Hint are of the last try, Failures how many in a row failed.
	Error    string `json:"error,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Failures int    `json:"failures,omitempty"`
}

// cacheOf is the directory with the copies of lists.
func cacheOf(stateDir string) string { return filepath.Join(stateDir, "lists") }

func newFeeds(d *Daemon) *feeds {
	f := &feeds{d: d, dir: cacheOf(d.o.StateDir), room: make(chan struct{}, mostTexts), known: map[string]feedState{}, begun: map[string]bool{}}
	f.tidy()
	text, err := os.ReadFile(f.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return f
	}
	if err == nil {
		err = json.Unmarshal(text, &f.known)
	}
	if err != nil {
		// All are due then, which mends it.
		d.log.Warn("times of lists from the net not read; all are fetched anew", "error", err)
	}
	if err != nil || f.known == nil { // which null says
		f.known = map[string]feedState{}
	}
	return f
}

// tidy removes what a process left behind that was killed while it took in a text.
func (f *feeds) tidy() {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return // there is none
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), freshEnd) {
			continue
		}
		if err := os.Remove(filepath.Join(f.dir, e.Name())); err != nil {
			f.d.log.Warn("what was left of a list is not removed", "error", err)
		}
	}
}

func (f *feeds) statePath() string { return filepath.Join(f.dir, "state.json") }

// keyOf names the copy of a list.
func keyOfFeed(l *config.List) string { return filepath.Base(config.CopyOf("", l.Name, l.Feed.URL)) }

// state gives what is known of a list.
func (f *feeds) state(l *config.List) feedState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[keyOfFeed(l)]
}

const (
	// retryTime is after what time a fetch that failed is tried again, twice as long after each failure.
	retryTime = 15 * time.Minute
	// clockSlack is how far a time may be ahead of the clock that is none of a clock which was set back.
	clockSlack = time.Minute
)

// due is when a list is to be fetched, by now at the latest where it never was.
func (s feedState) due(l *config.List, now time.Time) time.Time {
	switch {
	case s.Tried.IsZero() || s.Tried.After(now.Add(clockSlack)):
		return now
	case s.Error == "" && l.Feed.Missing:
		return now // the copy is gone
	case s.Next.After(s.Tried.Add(l.Feed.Refresh * 11 / 10)):
		// The rule file has another interval by now.
		return s.Tried.Add(l.Feed.Refresh)
	}
	return s.Next
}

// succeeded notes that a list is as the net has it.
func (s feedState) succeeded(l *config.List, now time.Time) feedState {
	s.Good, s.Tried, s.Error, s.Hint, s.Failures = now, now, "", "", 0
	// Not all machines at the same time, and not all lists of one.
	spread := l.Feed.Refresh / 10
	s.Next = now.Add(l.Feed.Refresh - spread/2 + rand.N(spread+1))
	return s
}

// failed notes why a list was not fetched.
func (s feedState) failed(l *config.List, now time.Time, why, hint string) feedState {
	s.Tried, s.Error, s.Hint = now, why, hint
	wait := retryTime << min(s.Failures, 10)
	s.Failures++
	s.Next = now.Add(min(wait, max(l.Feed.Refresh, retryTime)))
	return s
}

// note changes what is known of a list, and has people see it.
func (f *feeds) note(l *config.List, to func(feedState) feedState) {
	key := keyOfFeed(l)
	f.mu.Lock()
	f.known[key] = to(f.known[key])
	f.mu.Unlock()
	f.save()
	f.judge(f.d.force.Load(), time.Now())
	f.d.status()
}

func (f *feeds) save() {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := os.MkdirAll(f.dir, 0o750)
	if err == nil {
		err = saveJSON(f.statePath(), f.known)
	}
	if err != nil {
		f.d.log.Warn("times of lists from the net not saved", "error", err)
		f.d.unsaved(unsavedLists, err)
		return
	}
	f.d.faults.clear(unsavedLists)
}

// staleCopy is how long a copy stays that no list of the policy is of: a rule file may be changed and changed back.
const staleCopy = 30 * 24 * time.Hour

// prune removes copies that were not used for long. A policy is in force for good.
func (f *feeds) prune(lists []config.List) {
	used := []string{filepath.Base(f.statePath())}
	for i := range lists {
		if lists[i].Feed != nil {
			used = append(used, keyOfFeed(&lists[i]))
		}
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return // there is none
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || slices.Contains(used, e.Name()) || time.Since(info.ModTime()) < staleCopy {
			continue
		}
		if err := os.Remove(filepath.Join(f.dir, e.Name())); err != nil {
			f.d.log.Warn("old copy of a list not removed", "error", err)
		}
		delete(f.known, e.Name())
	}
}

// feeds gives the lists of a policy that are fetched.
func (f *force) feeds() []*config.List {
	var out []*config.List
	for i := range f.lists {
		if f.lists[i].Feed != nil {
			out = append(out, &f.lists[i])
		}
	}
	return out
}

// feed finds one of them, nil where there is none.
func (f *force) feed(name string) *config.List {
	for _, l := range f.feeds() {
		if l.Name == name {
			return l
		}
	}
	return nil
}
