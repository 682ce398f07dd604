package procs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Units tells which systemd unit a cgroup belongs to. It serves one goroutine.
type Units struct {
	mount *os.File // of cgroup2; nil where there is none
	root  string   // where it is mounted
	known map[uint64]unitName
}

type unitName struct {
	name  string
	asked time.Time
}

const (
	// A cgroup is never renamed, and its id names no other until the machine is rebooted. But one that cannot be looked
	// up now may be later, and what nobody asks for any more is let go of some time.
	unitLifetime = time.Minute
	unitsKept    = 4096

	// fileIDKernfs is FILEID_KERNFS of include/linux/exportfs.h: a handle that is an inode number of a kernfs, 64 bits.
	fileIDKernfs = 0xfe
)

// OpenUnits finds the cgroup2 file system. Where there is none every unit is unknown.
func OpenUnits() (*Units, error) {
	u := &Units{known: map[uint64]unitName{}}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	root, ok := cgroupMount(mounts)
	if !ok {
		return u, nil
	}
	if u.mount, err = os.Open(root); err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	u.root = root
	return u, nil
}

// Close lets go of the file system.
func (u *Units) Close() error {
	if u.mount == nil {
		return nil
	}
	return u.mount.Close()
}

// cgroupMount finds where cgroup2 is mounted in the text of /proc/PID/mountinfo (see proc_pid_mountinfo(5)).
func cgroupMount(mountinfo []byte) (path string, ok bool) {
	for line := range strings.Lines(string(mountinfo)) {
		mount, kind, found := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if found && len(fields) >= 5 && strings.HasPrefix(kind, "cgroup2 ") {
			return unescape(fields[4]), true
		}
	}
	return "", false
}

// unescape takes back what the kernel does to blanks and backslashes in a path.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// Of gives the unit that the cgroup with this id belongs to. "" is unknown: the cgroup is gone, lies outside of what can
// be seen, belongs to no unit, or CAP_DAC_READ_SEARCH is missing.
func (u *Units) Of(id uint64) string {
	if id == 0 || u.mount == nil {
		return ""
	}
	now := time.Now()
	if n, ok := u.known[id]; ok && now.Sub(n.asked) < unitLifetime {
		return n.name
	}
	if len(u.known) >= unitsKept {
		clear(u.known)
	}
	n := unitName{asked: now}
	if path, err := u.path(id); err == nil {
		n.name = unitOf(path)
	}
	u.known[id] = n
	return n.name
}

// path gives the directory of a cgroup beneath the root of cgroups.
func (u *Units) path(id uint64) (string, error) {
	handle := unix.NewFileHandle(fileIDKernfs, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(int(u.mount.Fd()), handle, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return "", err
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(path, u.root)
	if !ok {
		return "", fmt.Errorf("cgroup %s is not beneath %s", path, u.root)
	}
	return rest, nil
}

// UnitOfProcess gives the unit that a process is in now, "" where it is not known. A socket may come from elsewhere:
// Socket.CgroupID is to be asked first.
func UnitOfProcess(pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "cgroup"))
	if err != nil {
		return ""
	}
	return unitOf(unifiedPath(text))
}

// unifiedPath finds the cgroup of version 2 in the text of /proc/PID/cgroup (see cgroups(7)).
func unifiedPath(text []byte) string {
	for line := range bytes.Lines(text) {
		if path, ok := bytes.CutPrefix(line, []byte("0::")); ok {
			return string(bytes.TrimSuffix(path, []byte("\n")))
		}
	}
	return ""
}

// unitTypes are the units that have processes, see systemd.unit(5). A slice only groups them.
var unitTypes = []string{".service", ".scope", ".socket", ".mount", ".swap"}

// unitOf gives the unit that a path of cgroups leads to, as systemd does: the first that is no slice or, within the
// service that is a user's manager, the first of that user's. What a unit makes of the cgroups beneath its own is its own
// affair: a container has a system of units in there, with names of its choice. Where there are slices only it is the
// innermost slice.
func unitOf(path string) string {
	found := ""
	for _, part := range strings.Split(strings.Trim(path, "/"), "/") {
		switch {
		case isManager(found) && part == "init.scope":
			return found // the manager itself
		case isUnit(part, ".slice"):
			if !isManager(found) {
				found = part
			}
		case slices.ContainsFunc(unitTypes, func(suffix string) bool { return isUnit(part, suffix) }):
			if found = part; !isManager(part) {
				return part
			}
		default:
			return found
		}
	}
	return found
}

func isUnit(name, suffix string) bool { return strings.HasSuffix(name, suffix) && name != suffix }

// isManager tells whether a unit is the manager of a user's units, "user@1000.service".
func isManager(unit string) bool {
	return strings.HasPrefix(unit, "user@") && strings.HasSuffix(unit, ".service")
}
