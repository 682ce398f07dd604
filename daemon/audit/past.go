package audit

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"
)

// Query says which of the entries that were logged are wanted; the zero value wants all.
type Query struct {
	After        uint64    // those with a higher number
	Since, Until time.Time // those of then and later, and those of before
	Filter       Filter
	Newest       int // of those no more than so many, the newest; 0 is all
}

// ErrNoFile says that no entries are kept but the newest, as the log goes to no file.
var ErrNoFile = errors.New("the audit log is not written to a file")

// Past calls fn with every entry logged so far that q wants, oldest first, from the audit file, the old files and what waits to be
// written, until fn fails or ctx ends. last is the number of the newest entry at the time of the call, wanted or not: Query.After
// and Subscription go on from there without a gap and without a double. It takes as long as the files are, and holds up nobody.
func (l *Log) Past(ctx context.Context, q Query, fn func(*Entry) error) (last uint64, err error) {
	path, waiting, last := l.unwrittenEntries()
	if path == "" {
		return last, ErrNoFile
	}
	s := span{after: q.After, below: last + 1, since: q.Since, until: q.Until}
	if len(waiting) > 0 {
		s.below = waiting[0].Seq
	}
	files, err := openFiles(path, s)
	defer closeFiles(files, &err)
	if err != nil {
		return last, err
	}
	slices.Reverse(files)
	p := past{ctx: ctx, files: files, quick: s.quick(), filter: q.Filter}
	s.below = 0
	waiting = slices.DeleteFunc(waiting, func(e *Entry) bool { return !s.holds(e) || !q.Filter.Match(e) })
	from := place{}
	if q.Newest > 0 {
		waiting = waiting[max(0, len(waiting)-q.Newest):]
		if from, err = p.newest(q.Newest - len(waiting)); err != nil {
			return last, err
		}
	}
	if err := p.read(from, fn); err != nil {
		return last, err
	}
	for _, e := range waiting {
		if err := fn(e); err != nil {
			return last, err
		}
	}
	return last, nil
}

// unwrittenEntries are those that are not in the file for sure. path is "" where there is no file.
func (l *Log) unwrittenEntries() (path string, waiting []*Entry, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path, slices.Concat(l.file.taken, l.file.queued), l.seq
}

// past reads what the files have of a span.
type past struct {
	ctx    context.Context
	files  []*os.File // oldest first
	quick  quick
	filter Filter
}

// place is where a line begins.
type place struct {
	file int
	at   int64
}

// wanted gives the entry of a line, nil where it is not wanted. Damage is passed over: what it cost was told as lost at the
// start after it.
func (p *past) wanted(line []byte) *Entry {
	if p.quick.without(line) {
		return nil
	}
	e := new(Entry)
	if e.UnmarshalJSON(line) != nil || !p.quick.holds(e) || !p.filter.Match(e) {
		return nil
	}
	return e
}

// read calls fn with what is wanted from a place on. What is written to a file meanwhile is not read.
func (p *past) read(from place, fn func(*Entry) error) error {
	for i := from.file; i < len(p.files); i++ {
		st, err := p.files[i].Stat()
		if err != nil {
			return err
		}
		if _, err := forward(io.NewSectionReader(p.files[i], from.at, st.Size()-from.at), func(line []byte) error {
			if err := p.ctx.Err(); err != nil {
				return err
			}
			if e := p.wanted(line); e != nil {
				return fn(e)
			}
			return nil
		}); err != nil {
			return err
		}
		from.at = 0
	}
	return nil
}

// newest finds where the newest n lines that are wanted begin: at the end of the files where n is 0, at their beginning where they
// have fewer. Only places are kept, as n may be large.
func (p *past) newest(n int) (place, error) {
	if n == 0 {
		return place{file: len(p.files)}, nil
	}
	for i := len(p.files) - 1; i >= 0; i-- {
		st, err := p.files[i].Stat()
		if err != nil {
			return place{}, err
		}
		for back := (&backward{f: p.files[i], start: st.Size()}); ; {
			line, at, err := back.line()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = p.ctx.Err()
			}
			if err != nil {
				return place{}, err
			}
			if p.wanted(line) == nil {
				continue
			}
			if n--; n == 0 {
				return place{i, at}, nil
			}
		}
	}
	return place{}, nil
}
