package config

import (
	"errors"
	"fmt"
	"io"
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
	// ReadDir lists the names in a directory, ascending.
	ReadDir(path string) ([]string, error)
}

// ErrOutside says that a file lies beneath none of the directories in which pfw reads.
var ErrOutside = errors.New("lies outside of the directories that pfw reads")

// maxFile bounds what is read of one file, in bytes: four million addresses, and memory that a small machine has.
const maxFile = 128 << 20

// Disk is the machine's own files.
func Disk() Source { return disk{} }

type disk struct{}

func (disk) ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, path)
}

func (disk) ReadBeneath(path string, directories []string) ([]byte, error) {
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
	if _, _, ok := beneath(clean(path), append(spelled, homes...)); !ok {
		return nil, outside
	}
	real, err := resolve(path)
	if err != nil {
		return nil, err
	}
	home, rest, ok := beneath(real, homes)
	if !ok {
		return nil, outside
	}
	return readBeneath(home, rest)
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

// readBeneath opens through os.Root, which no link that is put in the way after the check above leads out of.
func readBeneath(home, rest string) ([]byte, error) {
	root, err := os.OpenRoot(home)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// Without O_NONBLOCK the opening of a named pipe waits for a writer.
	f, err := root.OpenFile(rest, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	path := filepath.Join(home, rest)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return readAll(f, path)
}

func readAll(r io.Reader, path string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return data, nil
}

func (disk) ReadDir(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}
