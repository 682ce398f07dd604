package procs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// SSHSession finds the ssh connection that a process is run over: the one that came in to the nearest ssh server among
// its ancestors. ok is false where there is none, or where the ancestors do not lead to it: a program in tmux or screen is
// the child of a server that outlives every session.
func SSHSession(pid int) (s Socket, ok bool, err error) {
	held, err := heldByServers("/proc", ancestors("/proc", pid))
	if err != nil || len(held) == 0 {
		return Socket{}, false, err
	}
	sockets, err := dump(TCP)
	if err != nil {
		return Socket{}, false, fmt.Errorf("find ssh session: %w", err)
	}
	s, ok = session(held, accepted(sockets))
	return s, ok, nil
}

// heldByServers lists the sockets of those in a line of ancestors that are ssh servers, the nearest first.
func heldByServers(proc string, line []int) (inodes []uint32, err error) {
	for _, pid := range line {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		if !isSSHServer(Process{Comm: comm(dir)}) {
			continue
		}
		held, err := socketsOf(dir)
		if err != nil && !ended(err) {
			return nil, fmt.Errorf("find ssh session: list open files of process %d: %w", pid, err)
		}
		inodes = append(inodes, held...)
	}
	return inodes, nil
}

// session finds the first of the sockets that is a connection which came in.
func session(inodes []uint32, came []connection) (Socket, bool) {
	for _, inode := range inodes {
		for _, c := range came {
			if c.socket.Inode == inode {
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
