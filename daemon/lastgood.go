package daemon

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pfw/config"
)

// lastGood is the file in the state directory that holds the last policy that was put in force, with all the files
// that it was made of.
func lastGood(stateDir string) string { return filepath.Join(stateDir, "last-good.tar.gz") }

// loadFirst reads what a start puts in force: the policy that is on trial, or else the rule file. One that is bad gives the
// last good policy, with the reason.
func loadFirst(o Options, now instant) (*loaded, error) {
	l, over := resumeTrial(o, now)
	if l != nil {
		return l, nil
	}
	l, err := loadFileOrLastGood(o)
	if err == nil {
		l.over = over
	}
	return l, err
}

func loadFileOrLastGood(o Options) (*loaded, error) {
	l, refused := loadFile(o.Config, config.Options{Now: time.Now(), Kept: o.kept, Cache: cacheOf(o.StateDir)})
	if refused == nil {
		return l, nil
	}
	l, err := loadLastGood(o.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no last good policy, so nothing is put in force:\n%w", refused)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%w", refused, err)
	}
	l.refused = refused
	return l, nil
}

// loadLastGood reads the last policy that was put in force for good.
func loadLastGood(stateDir string) (*loaded, error) {
	f, err := os.Open(lastGood(stateDir))
	if err != nil {
		return nil, fmt.Errorf("read last good policy: %w", err)
	}
	defer f.Close()
	snapshot, err := config.ReadSnapshot(f)
	if err != nil {
		return nil, fmt.Errorf("read last good policy: %w", err)
	}
	l, err := loadFile(snapshot.Path(), config.Options{Source: snapshot, Now: time.Now(), Cache: cacheOf(stateDir)})
	if err != nil {
		return nil, fmt.Errorf("last good policy: %w", err)
	}
	// It is there already, and no file on the disk is part of it.
	l.snapshot, l.config.Trace = nil, nil
	return l, nil
}

// goodFile is the last good policy's file as this process saved it.
type goodFile struct {
	sync.Mutex
	saved [sha256.Size]byte
	// next is what is to be saved, which may be newer than what was.
	next atomic.Pointer[config.Snapshot]
}

// saveLastGood keeps what was read for a start with a bad file. Nobody waits for the writing of long lists, and that of what
// is there already is left out.
func (d *Daemon) saveLastGood(s *config.Snapshot) {
	d.good.next.Store(s)
	if !s.Long() {
		d.saveNext()
		return
	}
	d.group.Go(func() error {
		d.saveNext()
		wake(d.spent)
		return nil
	})
}

// savedLastGood tells whether the last good policy is there, as far as is known.
func (d *Daemon) savedLastGood() bool {
	_, err := os.Stat(lastGood(d.o.StateDir))
	return err == nil && !d.faults.stands(unsavedPolicy)
}

func (d *Daemon) saveNext() {
	d.good.Lock()
	defer d.good.Unlock()
	s := d.good.next.Swap(nil)
	if s == nil {
		return
	}
	digest := s.Digest()
	if _, err := os.Stat(lastGood(d.o.StateDir)); err == nil && digest == d.good.saved {
		return
	}
	if err := replaceFile(lastGood(d.o.StateDir), func(w io.Writer) error { return s.Save(w) }); err != nil {
		d.log.Warn("last good policy not saved", "error", err)
		d.unsaved(unsavedPolicy, err)
		return
	}
	d.good.saved = digest
	d.faults.clear(unsavedPolicy)
}

// readGeneration gives 0 where there is no file.
func readGeneration(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 63)
	if err != nil {
		// What stands there instead is nothing to read.
		return 0, fmt.Errorf("%s: %d bytes that are no number", path, len(text))
	}
	return n, nil
}

// nextGeneration numbers the policies that come into force, also over restarts.
func (d *Daemon) nextGeneration() uint64 {
	path := filepath.Join(d.o.StateDir, "generation")
	var last uint64
	if f := d.force.Load(); f != nil {
		last = f.generation
	} else {
		var err error
		if last, err = readGeneration(path); err != nil {
			d.log.Warn("numbers of policies begin anew", "error", err)
		}
	}
	err := replaceFile(path, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, last+1)
		return err
	})
	if err != nil {
		d.log.Warn("number of the policy not saved", "error", err)
		d.unsaved(unsavedPolicy, err)
	}
	return last + 1
}
