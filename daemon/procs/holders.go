package procs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is a process that holds a socket.
type Process struct {
	PID int
	// Comm is the name of its main thread, at most 15 bytes, which it may have
	// chosen itself. Exe is the path of its program, "" where it cannot be read.
	Comm, Exe string
}

// Holders tells which processes hold which sockets, as of the moment it was read.
type Holders struct {
	byInode map[uint32][]Process
	// Denied counts the processes whose files could not be seen. Processes that
	// /proc hides altogether (hidepid=, ProtectProc=) are not among them.
	Denied int
}

// ReadHolders looks through the open files of every process: a few milliseconds
// for a hundred processes, more where they have many files open, so a caller
// keeps the answer for a while. To see the files of other users it needs
// CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; without, Denied rises.
func ReadHolders() (Holders, error) {
	return readHolders("/proc")
}

// Of returns the processes that hold the socket with this inode, by rising PID:
// several where it was inherited, as a listener that systemd opened. None is
// unknown, not nobody.
func (h Holders) Of(inode uint32) []Process {
	return h.byInode[inode]
}

func readHolders(proc string) (Holders, error) {
	entries, err := names(proc)
	if err != nil {
		return Holders{}, fmt.Errorf("list processes: %w", err)
	}
	h := Holders{byInode: make(map[uint32][]Process)}
	// The newest come first, as they are the likeliest to end meanwhile.
	slices.Reverse(entries)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry)
		if err != nil {
			continue // /proc holds more than processes
		}
		dir := filepath.Join(proc, entry)
		inodes, err := socketsOf(dir)
		switch {
		case ended(err):
			continue
		case errors.Is(err, fs.ErrPermission):
			h.Denied++
			continue
		case err != nil:
			return Holders{}, fmt.Errorf("list open files of process %d: %w", pid, err)
		case len(inodes) == 0:
			continue
		}
		p := Process{PID: pid, Comm: comm(dir), Exe: exe(dir)}
		for _, inode := range inodes {
			h.byInode[inode] = append(h.byInode[inode], p)
		}
	}
	for _, processes := range h.byInode {
		slices.SortFunc(processes, func(a, b Process) int { return a.PID - b.PID })
	}
	return h, nil
}

// socketsOf returns the inodes of the sockets a process holds, each once.
func socketsOf(dir string) ([]uint32, error) {
	fds, err := names(filepath.Join(dir, "fd"))
	if err != nil {
		return nil, err
	}
	var inodes []uint32
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(dir, "fd", fd))
		if ended(err) {
			continue // closed meanwhile
		}
		if err != nil {
			return nil, err
		}
		if inode, ok := socketInode(target); ok {
			inodes = append(inodes, inode)
		}
	}
	slices.Sort(inodes)
	return slices.Compact(inodes), nil
}

// socketInode reads the target of a link in /proc/PID/fd, "socket:[4026]".
func socketInode(target string) (uint32, bool) {
	number, ok := strings.CutPrefix(target, "socket:[")
	if !ok {
		return 0, false
	}
	number, ok = strings.CutSuffix(number, "]")
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(number, 10, 32)
	return uint32(inode), err == nil
}

// names lists a directory in the kernel's order without looking at its entries,
// which is half the cost of os.ReadDir.
func names(dir string) (entries []string, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Readdirnames(-1)
}

// ended tells that a process or one of its files went away while it was read.
func ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// comm returns "" for a process that ended meanwhile.
func comm(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(b), "\n")
}

// exe returns "" for a process that ended meanwhile or whose program may not be seen.
func exe(dir string) string {
	path, err := os.Readlink(filepath.Join(dir, "exe"))
	if err != nil {
		return ""
	}
	return path
}
