package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxKeep is the highest number of an old file; audit.jsonl.20261121 is somebody's own.
const maxKeep = 9999

// openFile opens path to append to, and makes it (mode 0640 whatever the umask says, so that the group reads it) and the directory
// that holds it where they are missing. It opens for reading too: to see the end of the file, and because opening a FIFO without a
// reader would block.
func openFile(path string) (io.WriteCloser, fs.FileInfo, bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = createFile(path)
	}
	if err != nil {
		return nil, nil, false, err
	}
	st, err := f.Stat()
	torn := false
	if err == nil && st.Mode().IsRegular() && st.Size() > 0 {
		var last [1]byte
		_, err = f.ReadAt(last[:], st.Size()-1)
		torn = last[0] != '\n'
	}
	if err != nil {
		return nil, nil, false, errors.Join(err, f.Close())
	}
	return f, st, torn, nil
}

func createFile(path string) (*os.File, error) {
	if err := os.Mkdir(filepath.Dir(path), 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o640); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// rotate makes way for a new file. Where that fails, the old one is kept open and grows on: rather too big a log than none.
func (f *fileStore) rotate() error {
	if err := shift(f.File, f.Keep); err != nil {
		return fmt.Errorf("rotate audit file: %w", err)
	}
	if _, err := f.abandon(); err != nil {
		return err
	}
	return f.reopen()
}

// shift renames path to path.1, path.1 to path.2 and so on up to a number that is free, and removes what is above keep.
func shift(path string, keep int) error {
	numbers, err := rotated(path)
	if err != nil {
		return err
	}
	free := 1
	for _, n := range numbers {
		if n == free {
			free++
		}
	}
	for n := min(free, keep); n > 1; n-- {
		if err := os.Rename(numbered(path, n-1), numbered(path, n)); err != nil {
			return err
		}
	}
	if keep == 0 {
		err = os.Remove(path)
	} else {
		err = os.Rename(path, numbered(path, 1))
	}
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > keep {
			if err := os.Remove(numbered(path, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// numbered is the name of the nth old file, path itself for 0.
func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

// rotated is the numbers of the old files that there are, ascending.
func rotated(path string) ([]int, error) {
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		suffix, ok := strings.CutPrefix(name.Name(), filepath.Base(path)+".")
		n, err := strconv.Atoi(suffix)
		if ok && err == nil && n > 0 && n <= maxKeep && strconv.Itoa(n) == suffix {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
