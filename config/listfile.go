package config

import (
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"time"

	"pfw/config/policy"
)

// longFile is from how many bytes on a list file is neither held in memory as a whole nor read again while it is as it was.
const longFile = 1 << 20

// Kept are the long lists and the countries of the policy in force, for loads: a file that did not change is not read again.
// It is safe for use by several goroutines; the zero value is empty.
type Kept struct {
	mu        sync.Mutex
	lists     map[string]keptList
	countries keptCountries
}

type keptList struct {
	file identity
	text *listText
	set  *policy.AddressSet
}

// identity tells a file, as it is, from any other.
type identity struct {
	device, inode, size uint64
	modified, changed   int64 // nanoseconds
}

// identify gives the identity of a file on the disk. sure is false where the file changed so lately that it may change once
// more within the tick of the clock by which the kernel stamps files.
func identify(info fs.FileInfo) (id identity, sure bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, false
	}
	const tick = 50 * time.Millisecond
	id = identity{uint64(s.Dev), s.Ino, uint64(s.Size), s.Mtim.Nano(), s.Ctim.Nano()}
	return id, max(id.modified, id.changed) < time.Now().Add(-tick).UnixNano()
}

func (k *Kept) find(path string, id identity) (keptList, bool) {
	if k == nil {
		return keptList{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	x, ok := k.lists[path]
	return x, ok && x.file == id
}

// Take replaces what is kept by the lists of a load.
func (k *Kept) Take(c *Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lists, k.countries = c.long, c.countries
}

// readList reads a list file that a rule file names. A fault is of what is in it.
func (l *lists) readList(path string) (*listText, *policy.AddressSet, *fault, error) {
	f, err := l.src.OpenBeneath(path, l.beneath)
	if err != nil {
		l.src.opened(path, l.beneath, nil, err)
		return nil, nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, nil, err
	}
	if info.Size() < longFile {
		l.texts[clean(path)] = true
		data, err := readAll(f, path)
		l.src.opened(path, l.beneath, data, err)
		if data, err = l.src.keep(path, data, err); err == nil && strings.HasSuffix(path, ".gz") {
			data, err = unzip(data, path)
		}
		if err != nil {
			return nil, nil, nil, err
		}
		text, w := parseList(data)
		if w != nil {
			return nil, nil, w, nil
		}
		return text, text.builder.Set(), nil, nil
	}
	id, sure := identify(info)
	x, there := l.kept.find(path, id)
	if !there {
		text, w, err := parseLong(f, path, info.Size())
		if w != nil || err != nil {
			return nil, nil, w, err
		}
		x = keptList{id, text, text.builder.Set()}
	}
	if sure {
		l.long[path] = x
	}
	l.src.openedLong(openList, path, l.beneath, id, sure)
	l.src.refer(path, l.beneath, id, x.set)
	return x.text, x.set, nil, nil
}

// parseLong reads the text of a long list file, without holding it.
func parseLong(f io.Reader, path string, size int64) (*listText, *fault, error) {
	if !strings.HasSuffix(path, ".gz") {
		return scanList(f, path, size)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	text, w, err := scanList(z, path+", unpacked,", 0)
	if err != nil {
		err = fmt.Errorf("unpack %s: %w", path, err)
	}
	return text, w, err
}
