package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peer is who is at the other end of the socket, as the kernel took it down when they connected.
type peer struct {
	uid    uint32
	groups []uint32 // the primary one and the supplementary ones
	pid    int      // 0 of a process in another pid namespace
}

// Caller is who asks, for a backend that looks at more than whether they may.
type Caller struct {
	UID uint32
	// PID is the process that connected, 0 where it cannot be seen from here.
	PID int
}

// caller is who sent a request that was let in.
func caller(r *http.Request) Caller {
	p := r.Context().Value(peerKey{}).(peer)
	return Caller{UID: p.uid, PID: p.pid}
}

// maxGroups is NGROUPS_MAX (include/uapi/linux/limits.h).
const maxGroups = 65536

// peerOf asks the kernel who connected.
func peerOf(c net.Conn) (peer, error) {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return peer{}, fmt.Errorf("%T is no unix socket", c)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var p peer
	var asked error
	err = raw.Control(func(fd uintptr) { p, asked = credentials(int(fd)) })
	if err := errors.Join(err, asked); err != nil {
		return peer{}, fmt.Errorf("credentials of the peer: %w", err)
	}
	return p, nil
}

func credentials(fd int) (peer, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return peer{}, err
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return peer{}, err
	}
	return peer{c.Uid, append(groups, c.Gid), int(c.Pid)}, nil
}

// peerGroups reads SO_PEERGROUPS, for which x/sys has no function. The kernel says with ERANGE how much room it needs.
func peerGroups(fd int) ([]uint32, error) {
	groups := make([]uint32, 64)
	for {
		size := uint32(len(groups)) * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno == unix.ERANGE && size/4 > uint32(len(groups)) && size/4 <= maxGroups:
			groups = make([]uint32, size/4)
		default:
			return nil, errno
		}
	}
}

// gate says who is answered.
type gate struct {
	users []uint32
	group func() (gid uint32, ok bool)
	// fetcher is a user more, nil for none.
	fetcher func() (uid uint32, ok bool)
}

// newGate lets in root, the daemon's own user and group pfw. The group is looked up anew each time: a package may make
// it while the daemon runs.
func newGate() gate {
	return gate{users: []uint32{0, uint32(os.Geteuid())}, group: func() (uint32, bool) { return groupID(Group) }}
}

func (g gate) admits(p peer) bool {
	if slices.Contains(g.users, p.uid) {
		return true
	}
	if gid, ok := g.group(); ok && slices.Contains(p.groups, gid) {
		return true
	}
	if g.fetcher == nil {
		return false
	}
	uid, ok := g.fetcher()
	return ok && p.uid == uid
}
