package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// seqBlock is how many numbers are reserved on disk ahead of those in use, so what a crash may skip. Half of it lasts for a tenth of a
// second at the highest rate that nflog delivers, which is longer than an fsync takes.
const seqBlock = 1 << 16

// seqFile keeps on disk a number that no entry has gone beyond.
type seqFile struct {
	path     string
	log      *slog.Logger
	reserved atomic.Uint64
	low      chan struct{}
}

// openSeq says which number was the last: the file's, or that of the newest entry in the audit file where this is higher, so that a
// lost or damaged file does not make numbers repeat.
func openSeq(dir, auditFile string, log *slog.Logger) (*seqFile, uint64, error) {
	if st, err := os.Stat(dir); err != nil {
		return nil, 0, fmt.Errorf("state directory: %w", err)
	} else if !st.IsDir() {
		return nil, 0, fmt.Errorf("state directory %s: not a directory", dir)
	}
	s := &seqFile{path: filepath.Join(dir, "seq"), log: log, low: make(chan struct{}, 1)}
	last, readErr := s.read()
	if auditFile != "" {
		newest, err := newestSeq(auditFile, last)
		if err != nil {
			log.Warn("audit file not read for its newest sequence number", "err", err)
		}
		if newest > last && readErr == nil {
			readErr = fmt.Errorf("%s: %d is behind the audit file", s.path, last)
		}
		last = newest
	}
	if readErr != nil && (last > 0 || !errors.Is(readErr, fs.ErrNotExist)) {
		log.Warn("audit sequence goes on after the newest entry found", "seq", last, "err", readErr)
	}
	if err := s.reserve(last); err != nil {
		log.Warn("audit sequence not saved, numbers may repeat after a crash", "err", err)
	}
	return s, last, nil
}

func (s *seqFile) read() (uint64, error) {
	text, err := os.ReadFile(s.path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 64)
	if err != nil || n > maxSeq {
		return 0, fmt.Errorf("%s: %d bytes, which is no sequence number", s.path, len(text))
	}
	return n, nil
}

// used is called for every number given out; it never blocks.
func (s *seqFile) used(seq uint64) {
	if seq+seqBlock/2 <= s.reserved.Load() {
		return
	}
	select {
	case s.low <- struct{}{}:
	default:
	}
}

// run reserves ahead until stop is closed. While the disk is full, numbers go on beyond the reserve.
func (s *seqFile) run(stop <-chan struct{}, last func() uint64) {
	failing := false
	for {
		select {
		case <-s.low:
		case <-stop:
			return
		}
		err := s.reserve(last())
		if err != nil && !failing {
			s.log.Warn("audit sequence not saved, numbers may repeat after a crash", "err", err)
		}
		if failing = err != nil; !failing {
			continue
		}
		select {
		case <-time.After(retryTime):
		case <-stop:
			return
		}
	}
}

func (s *seqFile) reserve(last uint64) error {
	if err := s.write(last + seqBlock); err != nil {
		return err
	}
	s.reserved.Store(last + seqBlock)
	return nil
}

// write replaces the file, on disk when it returns.
func (s *seqFile) write(n uint64) error {
	tmp := s.path + ".tmp"
	if err := writeSynced(tmp, strconv.AppendUint(nil, n, 10)); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeSynced(path string, number []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(append(number, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
