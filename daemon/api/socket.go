package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Group is the group whose members may use the control socket.
const Group = "pfw"

// A path in sockaddr_un holds 108 bytes with its final zero (include/uapi/linux/un.h).
const maxSocketPath = 107

// ErrInUse says that another daemon answers on the socket.
var ErrInUse = errors.New("another pfwd answers on this socket")

// Listen makes the control socket, mode 0660, of group pfw where there is one and this process may give it away. The
// directory is made where it is missing. What a daemon left behind that is gone is replaced; a daemon that lives is
// ErrInUse. Closing the listener removes the socket.
func Listen(path string) (net.Listener, error) {
	l, err := listen(path, share)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return l, nil
}

// listen makes a socket, and lets those in whom let says.
func listen(path string, let func(path string) error) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path has %d bytes, a socket's holds %d", len(path), maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := clear(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := let(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// clear removes a socket that nobody listens on.
func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is something else than a socket")
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "unix", path)
	if err == nil {
		return errors.Join(ErrInUse, conn.Close())
	}
	// Only this tells that nobody listens: a daemon that is merely slow is alive.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return os.Remove(path)
}

// share lets the group in. Whoever gets through in between is judged by credentials all the same.
func share(path string) error {
	if gid, ok := groupID(Group); ok {
		// A daemon that is neither root nor in the group keeps the socket in its own.
		if err := os.Chown(path, -1, int(gid)); err != nil && !errors.Is(err, unix.EPERM) {
			return err
		}
	}
	return os.Chmod(path, 0o660)
}

// groupID finds a group; ok is false where there is none, or no group database to ask.
func groupID(name string) (gid uint32, ok bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(n), err == nil
}
