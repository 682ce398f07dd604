package audit

import (
	"errors"
	"io"
	"os"
)

// tail is how many bytes at the end of a file hold its newest entry whole.
const tail = 2 * maxLine

// Replay calls fn with every entry above afterSeq in the audit file and the old files that were rotated away, oldest first. Damaged lines
// are passed over and counted in skipped. It may run while the files are written and rotated. No file is no error.
func Replay(path string, afterSeq uint64, fn func(Entry)) (skipped int, err error) {
	files, err := openFiles(path, span{after: afterSeq})
	defer closeFiles(files, &err)
	for i := len(files) - 1; i >= 0 && err == nil; i-- {
		var n int
		n, err = replayFile(files[i], afterSeq, fn)
		skipped += n
	}
	return skipped, err
}

func replayFile(f *os.File, afterSeq uint64, fn func(Entry)) (skipped int, err error) {
	q := span{after: afterSeq}.quick()
	tooLong, err := forward(f, func(line []byte) error {
		if q.without(line) {
			return nil
		}
		var e Entry
		if e.UnmarshalJSON(line) != nil || e.Seq == 0 {
			skipped++
		} else if q.holds(&e) {
			fn(e)
		}
		return nil
	})
	return skipped + tooLong, err
}

// newestSeq is the highest number in the last lines of the audit files that is above last, else last.
func newestSeq(path string, last uint64) (newest uint64, err error) {
	newest = last
	files, err := openFiles(path, span{after: last})
	defer closeFiles(files, &err)
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

func closeFiles(files []*os.File, err *error) {
	for _, f := range files {
		*err = errors.Join(*err, f.Close())
	}
}
