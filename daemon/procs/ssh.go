package procs

import (
	"fmt"
	"net/netip"
	"slices"
)

// sshServers are the names of the processes that serve ssh: OpenSSH since 9.8
// splits itself into three programs.
var sshServers = []string{"sshd", "sshd-session", "sshd-auth", "dropbear"}

// sshPort is where a connection is taken for ssh while nobody can be seen holding it.
const sshPort = 22

// SSHPeers returns the open ssh connections that came in to this machine; the
// Remote of each is its peer. These are the established TCP connections that a
// listening socket accepted (see Listeners.Accepted) and that an ssh server
// holds, or whose listener it holds. Where no holder can be seen, because
// there is no privilege or /proc hides them, local port 22 decides. A port that a client
// has forwarded to it by the server is held by the server too and so counts as ssh.
func SSHPeers() ([]Socket, error) {
	return SSHPeersAmong(func(netip.Addr) bool { return true })
}

// SSHPeersAmong is SSHPeers of certain peers. Where none of them is connected at all, no process is looked at, which takes
// most of the time.
func SSHPeersAmong(concerns func(peer netip.Addr) bool) ([]Socket, error) {
	sockets, err := dump(TCP)
	if err != nil {
		return nil, fmt.Errorf("find ssh connections: %w", err)
	}
	came := slices.DeleteFunc(accepted(sockets), func(c connection) bool { return !concerns(c.socket.Remote.Addr()) })
	if len(came) == 0 {
		return nil, nil
	}
	holders, err := ReadHolders()
	if err != nil {
		return nil, fmt.Errorf("find ssh connections: %w", err)
	}
	return sshPeers(came, holders), nil
}

// connection is an established TCP socket and the listening one it came in by.
type connection struct {
	socket, listener Socket
}

func accepted(sockets []Socket) []connection {
	listeners := NewListeners(sockets)
	var came []connection
	for _, s := range sockets {
		if s.State != Established {
			continue
		}
		if listener, ok := listeners.Accepted(s); ok {
			came = append(came, connection{s, listener})
		}
	}
	return came
}

func sshPeers(came []connection, holders Holders) []Socket {
	var peers []Socket
	for _, c := range came {
		own := holders.Of(c.socket.Inode)
		if slices.ContainsFunc(own, isSSHServer) ||
			slices.ContainsFunc(holders.Of(c.listener.Inode), isSSHServer) ||
			len(own) == 0 && c.socket.Local.Port() == sshPort {
			peers = append(peers, c.socket)
		}
	}
	return peers
}

func isSSHServer(p Process) bool {
	return slices.Contains(sshServers, p.Comm)
}
