package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// install makes text the rule file at path, in one step, and keeps what was there as path~. Mode, owner and group stay, as
// far as pfwd may give them; a link stays a link. Where the file says so already, nothing is done, so that path~ goes on to be
// of before.
func install(path string, text []byte) error {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		real, err = path, nil
	}
	if err != nil {
		return fmt.Errorf("install rule file: %w", err)
	}
	like := likeness{mode: 0o660, uid: -1, gid: -1}
	old, err := os.ReadFile(real)
	switch {
	case err == nil && string(old) == string(text):
		return nil
	case err == nil:
		if like, err = likenessOf(real); err == nil {
			err = like.write(real+"~", old)
		}
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil {
		err = like.write(real, text)
	}
	if err != nil {
		return fmt.Errorf("install rule file: %w", err)
	}
	return nil
}

// putBack gives a rule file the text that it had before install, and leaves path~ as it is: the same.
func putBack(path string, text []byte) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("put rule file back: %w", err)
	}
	like, err := likenessOf(real)
	if err == nil {
		err = like.write(real, text)
	}
	if err != nil {
		return fmt.Errorf("put rule file back: %w", err)
	}
	return nil
}

// likeness is what a file that takes the place of another has of it.
type likeness struct {
	mode     fs.FileMode
	uid, gid int // -1: pfwd's own, and the directory's or pfwd's own
}

func likenessOf(path string) (likeness, error) {
	info, err := os.Stat(path)
	if err != nil {
		return likeness{}, err
	}
	of := info.Sys().(*syscall.Stat_t)
	return likeness{info.Mode().Perm(), int(of.Uid), int(of.Gid)}, nil
}

// write replaces a file so that a crash leaves the old one or the new one, whole. Members of group pfw may write to the
// directory, so the name of the file that is renamed is nobody's to guess and to put a link at.
func (l likeness) write(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	// Only root gives a file to somebody else, and a group that pfwd is not in is not pfwd's to give.
	for _, uid := range []int{l.uid, -1} {
		if chown := f.Chown(uid, l.gid); chown == nil {
			break
		} else if !errors.Is(chown, fs.ErrPermission) {
			err = errors.Join(err, chown)
		}
	}
	err = errors.Join(err, f.Chmod(l.mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
