package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// install makes text the rule file at path, in one step, and keeps what was there as path~. Mode, owner and group stay, as
// far as pfwd may give them; a link stays a link. Where the file says so already, nothing is done, so that path~ goes on to be
// of before. home is the directory of firewall.toml, which no link leads out of.
func install(home, path string, text []byte) error {
	err := within(home, path, func(root *os.Root, name string) error {
		old, like, err := readIn(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			return likeness{mode: 0o660, uid: -1, gid: -1}.write(root, name, text)
		}
		if err != nil || string(old) == string(text) {
			return err
		}
		if err := like.write(root, name+"~", old); err != nil {
			return err
		}
		return like.write(root, name, text)
	})
	if err != nil {
		return fmt.Errorf("install rule file: %w", err)
	}
	return nil
}

// putBack gives a rule file the text that it had before install, where it has another by now. path~ stays as it is: the same.
func putBack(home, path string, text []byte) error {
	err := within(home, path, func(root *os.Root, name string) error {
		now, like, err := readIn(root, name)
		if err != nil || string(now) == string(text) {
			return err
		}
		return like.write(root, name, text)
	})
	if err != nil {
		return fmt.Errorf("put rule file back: %w", err)
	}
	return nil
}

// within opens home and follows links from path to the file that is meant. Members of group pfw may put links there at any
// moment, and pfwd reads and writes more than they may: os.Root leads none of them out.
func within(home, path string, do func(root *os.Root, name string) error) error {
	root, err := os.OpenRoot(home)
	if err != nil {
		return err
	}
	defer root.Close()
	name, err := filepath.Rel(home, path)
	// As many links as the kernel follows (path_resolution(7)).
	for links := 40; err == nil && links > 0; links-- {
		info, missing := root.Lstat(name)
		if missing != nil || info.Mode().Type() != fs.ModeSymlink {
			return do(root, name)
		}
		var to string
		if to, err = root.Readlink(name); err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(home, filepath.Dir(name), to)
		}
		if name, err = filepath.Rel(home, to); err == nil && !filepath.IsLocal(name) {
			return fmt.Errorf("%s is a link that leads out of %s: edit it where it lies", path, home)
		}
	}
	return errors.Join(err, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP})
}

// readIn reads a file, and what another is to have of it.
func readIn(root *os.Root, name string) ([]byte, likeness, error) {
	// A named pipe would wait for a writer.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, likeness{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, likeness{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, likeness{}, fmt.Errorf("%s is no regular file", f.Name())
	}
	text, err := io.ReadAll(f)
	of := info.Sys().(*syscall.Stat_t)
	return text, likeness{info.Mode().Perm(), int(of.Uid), int(of.Gid)}, err
}

// likeness is what a file that takes the place of another has of it.
type likeness struct {
	mode     fs.FileMode
	uid, gid int // -1: pfwd's own, and the directory's or pfwd's own
}

// write replaces a file so that a crash leaves the old one or the new one, whole.
func (l likeness) write(root *os.Root, name string, text []byte) error {
	dir, base := filepath.Split(name)
	// Nobody's to guess, and to be there first.
	next := filepath.Join(dir, "."+base+"."+rand.Text())
	f, err := root.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
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
		err = root.Rename(next, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(next))
	}
	d, err := root.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
