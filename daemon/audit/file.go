package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
)

// chunk is how many bytes go into one write, give or take a line.
const chunk = 256 << 10

// openFunc opens a file to append to and says what it is. torn: its last line has no end.
type openFunc func(path string) (f io.WriteCloser, st fs.FileInfo, torn bool, err error)

// fileStore writes JSON lines. It only ever appends, also to mend a line that a full disk tore: a log shipper that follows the
// file never sees it shrink, and it works where the file is append-only (chattr +a).
type fileStore struct {
	open openFunc
	next atomic.Pointer[SinkOptions] // taken up before the next write

	SinkOptions
	file  io.WriteCloser // nil: to be opened
	st    fs.FileInfo
	size  int64  // of the file, as far as this store knows
	fault error  // of the last rotation, which costs nothing yet
	carry []byte // to be written before anything else: the end of a torn line
	ours  bool   // carry belongs to the first entry that is not done; else it ends somebody else's line
	buf   []byte
	ends  []int // in buf, where each entry's line ends
}

func newFileStore(open openFunc) *fileStore { return &fileStore{open: open} }

// retarget makes o hold from the next write on. It may be called from any goroutine.
func (f *fileStore) retarget(o SinkOptions) { f.next.Store(&o) }

// probe makes the file where there is none.
func (f *fileStore) probe(path string) error {
	file, _, _, err := f.open(path)
	if err != nil {
		return fmt.Errorf("audit file: %w", err)
	}
	return file.Close()
}

func (f *fileStore) write(entries []*Entry) (done int, err error) {
	done, err = f.ready()
	for err == nil && f.file != nil && done < len(entries) {
		var n int
		n, err = f.writeChunk(entries[done:])
		done += n
	}
	return done, errors.Join(err, f.fault)
}

// ready opens the file, also where the path names another one by now or somebody else changed its size. done is 1 when the first
// entry turns out to be in a file already.
func (f *fileStore) ready() (done int, err error) {
	if o := f.next.Swap(nil); o != nil {
		if o.File != f.File {
			done, err = f.abandon()
		}
		f.SinkOptions = *o
	}
	if err == nil && f.file != nil {
		var same bool
		if same, err = f.same(); err == nil && !same {
			done, err = f.abandon()
		}
	}
	if err == nil && f.file == nil {
		err = f.reopen()
	}
	return done, err
}

func (f *fileStore) same() (bool, error) {
	st, err := os.Stat(f.File)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(st, f.st) && (st.Size() == f.size || !st.Mode().IsRegular()), nil
}

func (f *fileStore) reopen() error {
	file, st, torn, err := f.open(f.File)
	if err != nil {
		return err
	}
	f.file, f.st, f.size = file, st, st.Size()
	f.carry, f.ours, f.fault = nil, false, nil
	if torn { // by a crash: end that line, so that ours begin on their own
		f.carry = []byte{'\n'}
	}
	return nil
}

// abandon lets go of the file. An entry that is torn there is written again as a whole in the next one; if it lacks only the end
// of its line, it is done: whoever reads that file has it.
func (f *fileStore) abandon() (done int, err error) {
	if f.ours && len(f.carry) == 1 {
		done = 1
	}
	f.carry, f.ours = nil, false
	return done, f.close()
}

func (f *fileStore) close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}

// writeChunk writes as many entries as fit into the file and one write, after rotating the file if not even the first does.
func (f *fileStore) writeChunk(entries []*Entry) (done int, err error) {
	f.fill(entries)
	if !f.ours && f.size > 0 && f.size+int64(f.ends[0]) > f.MaxSize && f.st.Mode().IsRegular() {
		if f.fault = f.rotate(); f.file == nil {
			return 0, nil // write ends with the fault
		}
		f.fill(entries)
	}
	n, err := f.file.Write(f.buf)
	f.size += int64(n)
	f.tear(n)
	for done < len(f.ends) && f.ends[done] <= n {
		done++
	}
	if err == nil && n < len(f.buf) {
		err = io.ErrShortWrite
	}
	return done, err
}

// fill encodes entries, at least one, until the chunk or the file is full.
func (f *fileStore) fill(entries []*Entry) {
	f.buf, f.ends = append(f.buf[:0], f.carry...), f.ends[:0]
	if f.ours {
		f.ends = append(f.ends, len(f.buf))
		entries = entries[1:]
	}
	for _, e := range entries {
		start := len(f.buf)
		if start >= chunk && len(f.ends) > 0 {
			return
		}
		f.buf = append(e.AppendJSON(f.buf), '\n')
		if len(f.ends) > 0 && f.size+int64(len(f.buf)) > f.MaxSize {
			f.buf = f.buf[:start]
			return
		}
		f.ends = append(f.ends, len(f.buf))
	}
}

// tear notes what is left of the line at which a write of n bytes stopped.
func (f *fileStore) tear(n int) {
	if n == 0 {
		return
	}
	f.carry, f.ours = nil, false
	start := 0
	for _, end := range f.ends {
		if n > start && n < end {
			f.carry, f.ours = append([]byte(nil), f.buf[n:end]...), true
			return
		}
		start = end
	}
}
