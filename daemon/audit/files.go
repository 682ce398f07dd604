package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
)

// openFiles opens the files that may have entries in s, newest first. A rotation meanwhile moves files to the next higher number,
// which is the way that it goes too: it may meet a file twice, or one that is newer than the last, and misses none. It ends after two
// numbers that are free, as one may be only between two renames.
func openFiles(path string, s span) (files []*os.File, err error) {
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
		f, st, err := openUnseen(numbered(path, n), seen, s)
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
		if first > 0 && first <= s.after {
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

// openUnseen opens a regular file; no info where it is missing or another kind, no file where it is among those seen or holds
// nothing of s.
func openUnseen(path string, seen []fs.FileInfo, s span) (*os.File, fs.FileInfo, error) {
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
	if err != nil || s.beyond(st) || slices.ContainsFunc(seen, func(other fs.FileInfo) bool { return os.SameFile(other, st) }) {
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
