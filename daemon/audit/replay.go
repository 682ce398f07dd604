package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
)

const (
	maxLine = 256 << 10   // bytes; the longest reason, a report on a bad rule file, is far below
	tail    = 2 * maxLine // bytes at the end of a file that hold its newest entry whole
)

// Replay calls fn with every entry above afterSeq in the audit file and the old files that were rotated away, oldest first. Damaged lines
// are passed over and counted in skipped. It may run while the files are written and rotated. No file is no error.
func Replay(path string, afterSeq uint64, fn func(Entry)) (skipped int, err error) {
	files, err := openFiles(path, afterSeq)
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	for i := len(files) - 1; i >= 0 && err == nil; i-- {
		var n int
		n, err = replayFile(files[i], afterSeq, fn)
		skipped += n
	}
	return skipped, err
}

// openFiles opens the files that have entries above afterSeq, newest first. A rotation meanwhile moves files to the next higher number,
// which is the way that it goes too: it may meet a file twice, or one that is newer than the last, and misses none. It ends after two
// numbers that are free, as one may be only between two renames.
func openFiles(path string, afterSeq uint64) (files []*os.File, err error) {
	numbers, err := rotated(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	highest := 0
	if len(numbers) > 0 {
		highest = numbers[len(numbers)-1]
	}
	var seen []fs.FileInfo
	for n, free := 0, 0; n <= highest || free < 2; n++ {
		f, st, err := openUnseen(numbered(path, n), seen)
		if err != nil {
			return files, err
		}
		if st == nil {
			free++
			continue
		}
		free = 0
		if f == nil {
			continue
		}
		first := firstSeq(f)
		files, seen = slices.Insert(files, placeOf(first, files), f), append(seen, st)
		if first > 0 && first <= afterSeq {
			break
		}
	}
	return files, nil
}

// placeOf is where a file that begins with that entry belongs among files, newest first; nearly always at the end.
func placeOf(first uint64, files []*os.File) int {
	at := len(files)
	for at > 0 {
		if newer := firstSeq(files[at-1]); newer == 0 || newer > first {
			break
		}
		at--
	}
	return at
}

// openUnseen opens a regular file; no info where it is missing or another kind, no file where it is among those seen.
func openUnseen(path string, seen []fs.FileInfo) (*os.File, fs.FileInfo, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() { // opening a FIFO would block
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	st, err = f.Stat()
	if err != nil || slices.ContainsFunc(seen, func(s fs.FileInfo) bool { return os.SameFile(s, st) }) {
		return nil, st, errors.Join(err, f.Close())
	}
	return f, st, nil
}

// firstSeq is the number of the entry that f begins with, 0 where that cannot be read.
func firstSeq(f *os.File) uint64 {
	head := make([]byte, 256)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return 0 // reading the whole file will meet this error again
	}
	return quickSeq(head[:n])
}

func replayFile(f *os.File, afterSeq uint64, fn func(Entry)) (skipped int, err error) {
	r := bufio.NewReaderSize(f, maxLine)
	for {
		text, err := r.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return skipped, err
		}
		text = bytes.TrimRight(text, "\n")
		switch {
		case tooLong:
			skipped++
		case len(text) > 0:
			if !replayLine(text, afterSeq, fn) {
				skipped++
			}
		}
		if err == io.EOF {
			return skipped, nil
		}
	}
}

func replayLine(text []byte, afterSeq uint64, fn func(Entry)) bool {
	if seq := quickSeq(text); seq > 0 && seq <= afterSeq {
		return true
	}
	var e Entry
	if e.UnmarshalJSON(text) != nil || e.Seq == 0 {
		return false
	}
	if e.Seq > afterSeq {
		fn(e)
	}
	return true
}

// quickSeq finds the number of an entry as this package writes it without decoding the line, twenty times as fast: at a start, most
// lines are old. 0 is: not found.
func quickSeq(text []byte) uint64 {
	_, rest, ok := bytes.Cut(text, []byte(`,"seq":`))
	end := bytes.IndexByte(rest, ',')
	if !ok || end < 0 {
		return 0
	}
	seq, err := strconv.ParseUint(string(rest[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// newestSeq is the highest number in the last lines of the audit files that is above last, else last.
func newestSeq(path string, last uint64) (newest uint64, err error) {
	newest = last
	files, err := openFiles(path, last)
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	if err != nil {
		return newest, err
	}
	for _, f := range files {
		st, err := f.Stat()
		if err != nil {
			return newest, err
		}
		if _, err := f.Seek(max(0, st.Size()-tail), io.SeekStart); err != nil {
			return newest, err
		}
		if _, err := replayFile(f, last, func(e Entry) { newest = max(newest, e.Seq) }); err != nil {
			return newest, err
		}
	}
	return newest, nil
}
