package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ledgers keep the accounts in the state directory.
type ledgers struct {
	d    *Daemon
	path string

	mu   sync.Mutex
	last []byte
	// ended is set once the table is removed: there is nothing to keep.
	ended bool
	// inFile is what entries in the audit file stood for before this process wrote to it; nil where there is no file.
	inFile map[accountKey]int64
}

func newLedgers(d *Daemon) *ledgers {
	return &ledgers{d: d, path: filepath.Join(d.o.StateDir, "accounts.json")}
}

// begin says what entries stand for at the start, and whether there is an audit file that has them.
func (l *ledgers) begin(file bool, entered map[accountKey]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if file {
		l.inFile = entered
	}
}

// sinks says whether there is an audit file from now on, and gives what takes that back.
func (l *ledgers) sinks(file bool) (undo func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.inFile
	undo = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.inFile = before
	}
	switch {
	case !file:
		l.inFile = nil
	case l.inFile == nil:
		_, packets := l.d.audit.Accounted()
		l.inFile = l.d.accounts.entries()
		for k, n := range written(packets) {
			l.inFile[k] -= n
		}
	}
	return undo
}

// load reads the accounts of the last process on this run of the kernel; ok is false where there are none.
func (l *ledgers) load() (saved ledger, ok bool) {
	text, err := os.ReadFile(l.path)
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	if err == nil {
		err = saved.check()
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.d.log.Warn("accounts of the last process not read; what it did not log is not told", "error", err)
		}
		return ledger{}, false
	}
	return saved, saved.Boot == l.d.boot
}

// save writes the accounts where they changed. It must not be called while a policy changes.
func (l *ledgers) save() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	seq, packets := l.d.audit.Accounted()
	var inFile map[accountKey]int64
	if l.inFile != nil {
		inFile = written(packets)
		for k, n := range l.inFile {
			inFile[k] += n
		}
	}
	now := l.d.accounts.ledger(l.d.boot, seq, inFile)
	text, err := json.Marshal(now)
	if err == nil && bytes.Equal(text, l.last) {
		return
	}
	if err == nil {
		now.Saved = time.Now()
		err = l.write(now)
	}
	if err != nil {
		l.d.unsaved(unsavedAccounts, err)
		return
	}
	l.d.faults.clear(unsavedAccounts)
	l.last = text
}

func (l *ledgers) write(now ledger) error {
	return saveJSON(l.path, now)
}

// forget says that the counters of the kernel begin anew. What is saved from now on is of the new ones.
func (l *ledgers) forget() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget accounts: %w", err)
	}
	return nil
}

// end forgets the accounts for good.
func (l *ledgers) end() error {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	return l.forget()
}
