package procs

import (
	"bufio"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pfw/e2e/hosts"
)

func TestSSHPeersOnAHost(t *testing.T) {
	local, remote := hosts.Pair(t)
	var want []string
	for _, server := range []struct {
		name, address string
		ssh           bool
	}{
		{"sshd", "192.0.2.10:2222", true},
		{"dropbear", "[::]:2022", true},
		{"nginx", "192.0.2.10:443", false},
		{"sslh", "[2001:db8::10]:22", false}, // port 22, but who holds it can be seen
	} {
		start(t, local, server.name, server.address)
		peer := dial(t, remote, server.address)
		if server.ssh {
			want = append(want, peer)
		}
	}
	// A connection that an ssh server opens, as it does to forward a port, and one that
	// somebody here opened, are none that came in.
	start(t, remote, "sshd", "192.0.2.7:22")
	dial(t, local, "192.0.2.7:22")

	var peers []Socket
	if err := local.Do(func() (err error) { peers, err = SSHPeers(); return err }); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range peers {
		got = append(got, p.Remote.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ssh peers (-want +got):\n%s", diff)
	}
}

// dial connects, waits until the server holds the connection, and returns the
// address of this end.
func dial(t *testing.T, h *hosts.Host, address string) string {
	t.Helper()
	if host, port, _ := net.SplitHostPort(address); host == "::" {
		address = net.JoinHostPort("192.0.2.10", port)
	}
	c, err := h.Dial("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return c.LocalAddr().String()
}

func TestSSHPeersByHolder(t *testing.T) {
	held := func(names ...string) (p []Process) {
		for i, name := range names {
			p = append(p, Process{PID: i + 1, Comm: name})
		}
		return p
	}
	for _, c := range []struct {
		name             string
		local            string
		socket, listener []Process
		want             bool
	}{
		{"OpenSSH", "192.0.2.1:22", held("sshd"), held("sshd"), true},
		{"OpenSSH 9.8", "192.0.2.1:2222", held("sshd-session"), held("sshd"), true},
		{"before the login", "192.0.2.1:2222", held("sshd-session", "sshd-auth"), held("sshd"), true},
		{"listener of systemd", "192.0.2.1:2222", held("sshd-session"), held("systemd"), true},
		{"not accepted yet", "192.0.2.1:2222", nil, held("systemd", "sshd"), true},
		{"only the listener can be seen", "192.0.2.1:22", nil, held("systemd"), true},
		{"nobody can be seen, port 22", "192.0.2.1:22", nil, nil, true},
		{"nobody can be seen, another port", "192.0.2.1:2222", nil, nil, false},
		{"a name that only begins so", "192.0.2.1:2222", held("sshd-hunter"), held("sshd-hunter"), false},
		{"another server on port 22", "192.0.2.1:22", held("sslh"), held("sslh"), false},
	} {
		s := socket(TCP, IPv4, Established, c.local, "203.0.113.7:40312")
		s.Inode = 1
		l := socket(TCP, IPv4, Listen, c.local, "0.0.0.0:0")
		l.Inode = 2
		holders := Holders{byInode: map[uint32][]Process{1: c.socket, 2: c.listener}}
		if got := len(sshPeers(accepted([]Socket{l, s}), holders)) == 1; got != c.want {
			t.Errorf("%s: ssh %t, want %t", c.name, got, c.want)
		}
	}
}
