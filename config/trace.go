package config

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Trace is what a load read, in short: it tells, without a load, whether another would read the same. It holds no contents.
type Trace struct {
	steps []step
	// unsure says that a file was read which may have changed once more since.
	unsure bool
}

// step is a question to a Source, and the sum of its answer.
type step struct {
	ask         question
	path        string
	directories []string
	sum         [sha256.Size]byte
}

// question says in which way a Source is asked. The zero value is invalid.
type question uint8

const (
	_ question = iota
	readFile
	readBeneath
	readDirectory
	openList
	openDatabase
)

// Same tells whether a load would read what was read. What the file says of the time is not looked at: of the rules in
// force, policy.Edges tells.
func (t *Trace) Same(src Source) bool {
	if t == nil || t.unsure {
		return false
	}
	for _, s := range t.steps {
		if s.sum != s.again(src) {
			return false
		}
	}
	return true
}

// again asks the same once more.
func (s *step) again(src Source) [sha256.Size]byte {
	switch s.ask {
	case readFile:
		return sumOf(src.ReadFile(s.path))
	case readBeneath:
		return sumOf(src.ReadBeneath(s.path, s.directories))
	case readDirectory:
		return sumOfNames(src.ReadDir(s.path, s.directories))
	case openList, openDatabase:
		f, err := src.OpenBeneath(s.path, s.directories)
		if err != nil {
			return sumOf(nil, err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return sumOf(nil, err)
		}
		if s.ask == openDatabase || info.Size() >= longFile {
			id, _ := identify(info)
			return id.sum()
		}
		return sumOf(readAll(f, s.path))
	}
	panic(fmt.Sprintf("config: question %d", uint8(s.ask)))
}

func (t *Trace) add(ask question, path string, directories []string, sum [sha256.Size]byte) {
	t.steps = append(t.steps, step{ask, path, directories, sum})
}

func sumOf(data []byte, err error) [sha256.Size]byte {
	if err != nil {
		return sha256.Sum256([]byte("error " + err.Error()))
	}
	h := sha256.New()
	// A hash takes whatever it is given.
	_, _ = h.Write([]byte("data "))
	_, _ = h.Write(data)
	return [sha256.Size]byte(h.Sum(nil))
}

// sumOfNames does not depend on the order, as a directory has none.
func sumOfNames(names []string, err error) [sha256.Size]byte {
	return sumOf([]byte(strings.Join(slices.Sorted(slices.Values(names)), "\x00")), err)
}

// sum is told from that of any contents.
func (id identity) sum() [sha256.Size]byte { return sha256.Sum256(fmt.Append([]byte("file "), id)) }

// opened notes a short list that was opened and read.
func (r recorder) opened(path string, directories []string, data []byte, err error) {
	r.trace.add(openList, path, directories, sumOf(data, err))
}

// openedLong notes a long list, or a database; sure is false where it may change without another identity.
func (r recorder) openedLong(ask question, path string, directories []string, id identity, sure bool) {
	r.trace.add(ask, path, directories, id.sum())
	r.trace.unsure = r.trace.unsure || !sure
}
