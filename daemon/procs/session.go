package procs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// SSHSession finds the ssh connection that a process is run over: the one that came in to the nearest ssh server among
// its ancestors. ok is false where there is none, or where the ancestors do not lead to it: a program in tmux or screen is
// the child of a server that outlives every session.
func SSHSession(pid int) (s Socket, ok bool, err error) {
	sockets, err := dump(TCP)
	if err != nil {
		return Socket{}, false, fmt.Errorf("find ssh session: %w", err)
	}
	holders, err := ReadHolders()
	if err != nil {
		return Socket{}, false, fmt.Errorf("find ssh session: %w", err)
	}
	s, ok = session(ancestors("/proc", pid), accepted(sockets), holders)
	return s, ok, nil
}

// session finds the connection that the first in a line of ancestors holds which is an ssh server that holds one.
func session(line []int, came []connection, holders Holders) (Socket, bool) {
	for _, pid := range line {
		for _, c := range came {
			held := func(p Process) bool { return p.PID == pid && isSSHServer(p) }
			if slices.ContainsFunc(holders.Of(c.socket.Inode), held) {
				return c.socket, true
			}
		}
	}
	return Socket{}, false
}

// maxAncestors bounds a walk that processes which come and go might lead in a circle.
const maxAncestors = 256

// ancestors lists a process, its parent and so on, up to where they can be seen.
func ancestors(proc string, pid int) (line []int) {
	for pid > 0 && len(line) < maxAncestors {
		line = append(line, pid)
		stat, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
		if err != nil {
			break // ended, or hidden: what is known so far is all that there is
		}
		pid = parent(stat)
	}
	return line
}

// parent reads the fourth field of /proc/PID/stat, 0 where there is none. The second is the name, in brackets, and may
// hold anything, brackets and blanks too (proc_pid_stat(5)).
func parent(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return n
}
