package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Source gives the files that a load reads.
type Source interface {
	// ReadFile reads a file that need not be guarded: firewall.toml, /etc/passwd, /etc/group, /etc/services.
	ReadFile(path string) ([]byte, error)
	// ReadBeneath reads a file that a rule file names; it fails with ErrOutside where the file, symbolic links followed,
	// lies beneath none of the directories.
	ReadBeneath(path string, directories []string) ([]byte, error)
	// OpenBeneath is ReadBeneath for a list, which may be too long to be held in memory as it is.
	OpenBeneath(path string, directories []string) (fs.File, error)
	// ReadDir lists the names in a directory, in any order; it fails with ErrOutside as ReadBeneath does.
	ReadDir(path string, directories []string) ([]string, error)
}

// ErrOutside says that a file lies beneath none of the directories in which pfw reads.
var ErrOutside = errors.New("lies outside of the directories that pfw reads")

// MostText bounds the text of a list, in bytes.
const MostText = maxFile

// maxFile bounds what is read of one file, in bytes: four million addresses, and memory that a small machine has.
const maxFile = 128 << 20

// Disk is the machine's own files.
func Disk() Source { return disk{} }

// Regular is Disk for who must not wait: a named pipe or a terminal in the place of a file has its reader wait for a writer.
func Regular() Source { return disk{regular: true} }

type disk struct{ regular bool }

func (d disk) ReadFile(path string) ([]byte, error) {
	if d.regular {
		return readRegular(os.OpenFile(path, unwaiting, 0))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, f.Name())
}

func (disk) ReadBeneath(path string, directories []string) ([]byte, error) {
	return readRegular(openBeneath(path, directories, unwaiting))
}

func (disk) OpenBeneath(path string, directories []string) (fs.File, error) {
	return regular(openBeneath(path, directories, unwaiting))
}

func (disk) ReadDir(path string, directories []string) ([]string, error) {
	f, err := openBeneath(path, directories, unwaiting|syscall.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func openBeneath(path string, directories []string, flag int) (*os.File, error) {
	home, rest, err := locate(path, directories)
	if err != nil {
		return nil, err
	}
	// No link that is put in the way meanwhile leads out of it.
	root, err := os.OpenRoot(home)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(rest, flag, 0)
}

// locate finds the directory that a path lies beneath, links followed, and the path from there.
func locate(path string, directories []string) (home, rest string, err error) {
	outside := &os.PathError{Op: "open", Path: path, Err: ErrOutside}
	var homes, spelled []string
	for _, d := range directories {
		// A directory that is not there has no file beneath it.
		if home, err := resolve(d); err == nil {
			homes = append(homes, home)
		}
		spelled = append(spelled, clean(d))
	}
	// By its name first: whether a file is there, outside, is nothing that an error may tell.
	inside := append(spelled, homes...)
	if _, _, ok := beneath(clean(path), inside); !ok {
		return "", "", outside
	}
	real, err := resolve(path)
	if err != nil {
		// Nor by a link: only what is wrong inside is told, and that links lead in a circle.
		told := !errors.Is(err, syscall.ENOTDIR)
		if at := new(os.PathError); errors.As(err, &at) {
			_, _, told = beneath(at.Path, inside)
		}
		if told {
			return "", "", err
		}
		return "", "", outside
	}
	home, rest, ok := beneath(real, homes)
	if !ok {
		return "", "", outside
	}
	return home, rest, nil
}

// beneath finds the directory that holds a path, and the path from there. All are absolute.
func beneath(path string, directories []string) (home, rest string, ok bool) {
	for _, d := range directories {
		rest, err := filepath.Rel(d, path)
		if err == nil && rest != ".." && !strings.HasPrefix(rest, "../") {
			return d, rest, true
		}
	}
	return "", "", false
}

// resolve makes paths comparable: absolute, and without symbolic links.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// unwaiting opens a named pipe without waiting for a writer.
const unwaiting = os.O_RDONLY | syscall.O_NONBLOCK

// readRegular reads what was opened, unless it failed or is no regular file.
func readRegular(f *os.File, err error) ([]byte, error) {
	if f, err = regular(f, err); err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, f.Name())
}

// regular gives what was opened, unless it failed or is no regular file.
func regular(f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", f.Name())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func readAll(r io.Reader, path string) ([]byte, error) { return readSized(r, path, 0) }

// readSized is readAll of what is most likely so many bytes, with no more memory than that.
func readSized(r io.Reader, path string, size int64) ([]byte, error) {
	var data bytes.Buffer
	data.Grow(int(min(size, maxFile)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(r, maxFile+1)); err != nil {
		return nil, err
	}
	if data.Len() > maxFile {
		return nil, tooLarge(path)
	}
	return data.Bytes(), nil
}

func tooLarge(path string) error { return fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20) }
