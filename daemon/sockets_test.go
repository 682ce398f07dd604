package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// connections is what pfw says of a host's sockets.
func connections(t testing.TB, d *hosts.Daemon) (list []api.Connection) {
	t.Helper()
	out, err := d.Pfw("connections", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var v api.Connections
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatal(err)
	}
	return v.Connections
}

// the is the only connection that a test means.
func the(t *testing.T, list []api.Connection, means func(api.Connection) bool) api.Connection {
	t.Helper()
	var found []api.Connection
	for _, c := range list {
		if means(c) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d connections are meant, want one: %+v", len(found), found)
	}
	return found[0]
}

// closed ends something with the test.
func closed[C interface{ Close() error }](t testing.TB) func(C, error) C {
	return func(c C, err error) C {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
		return c
	}
}

// manySockets opens sockets of all kinds on the local host of a pair, n of those of which there may be many.
func manySockets(t testing.TB, local, remote *hosts.Host, n int) {
	t.Helper()
	listener, conn, packets := closed[net.Listener](t), closed[net.Conn](t), closed[net.PacketConn](t)
	index, err := local.Index("eth0")
	if err != nil {
		t.Fatal(err)
	}
	linkLocal := fmt.Sprintf("fe80::1:1%%%d", index)
	if err := local.AddAddress("eth0", netip.MustParsePrefix("fe80::1:1/64")); err != nil {
		t.Fatal(err)
	}
	both := func(from, at *hosts.Host, network, listens, dials string) {
		l := listener(at.Listen(network, listens))
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for range n {
			conn(from.Dial("tcp", net.JoinHostPort(dials, port), limit))
			conn(l.Accept())
		}
	}
	both(local, remote, "tcp4", "192.0.2.7:0", "192.0.2.7")
	both(local, remote, "tcp6", "[2001:db8::7]:0", "2001:db8::7")
	both(remote, local, "tcp4", "0.0.0.0:0", "192.0.2.10")
	both(remote, local, "tcp6", "[::]:0", "2001:db8::10") // IPv6 only
	both(remote, local, "tcp", "[::]:0", "192.0.2.10")    // IPv4 in a socket of IPv6
	both(local, local, "tcp4", "127.0.0.1:0", "127.0.0.1")
	both(local, local, "tcp6", "["+linkLocal+"]:0", linkLocal)
	for range n {
		for _, at := range []string{"192.0.2.10:0", "0.0.0.0:0", "[::]:0", "[" + linkLocal + "]:0", "127.0.0.1:0", "[::1]:0", "224.0.0.251:0"} {
			packets(local.ListenPacket("udp", at))
		}
		conn(local.Dial("udp", "192.0.2.7:53", limit))
		conn(local.Dial("udp", "[2001:db8::7]:53", limit))
	}
	// One that is closed, and goes on for a minute in the kernel.
	l := listener(remote.Listen("tcp", "192.0.2.7:0"))
	ours := conn(local.Dial("tcp", l.Addr().String(), limit))
	theirs := conn(l.Accept())
	if err := errors.Join(ours.Close(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
}

const openToAll = `
[default]
inbound = "allow"
[log]
journal = false
`

func TestConnectionsAreThoseThatSsLists(t *testing.T) {
	hosts.Need(t, "ss")
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, openToAll)
	manySockets(t, local, remote, 25)
	// Until nothing moves any more: what is closed goes through several states.
	var want, got map[string]int
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		want, got = map[string]int{}, map[string]int{}
		out, err := local.Command("ss", "-tunapHO").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			want[ssLine(t, line)]++
		}
		for _, c := range connections(t, d) {
			got[line(c)]++
		}
		if cmp.Equal(want, got) || time.Now().After(deadline) {
			break
		}
	}
	if len(got) < 400 {
		t.Errorf("%d sockets, want hundreds", len(got))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ss (-) and pfw connections (+) differ:\n%s", diff)
	}
}

// line writes a socket as ssLine does.
func line(c api.Connection) string {
	remote := netip.AddrPortFrom(c.RemoteIP, c.RemotePort)
	if c.Reach != nil {
		remote = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return fmt.Sprintln(c.Proto, c.State, netip.AddrPortFrom(c.LocalIP, c.LocalPort), remote, c.PID)
}

// ssLine reads a line of ss -tunapH.
func ssLine(t *testing.T, text string) string {
	t.Helper()
	fields := strings.Fields(text)
	state := strings.ToLower(fields[1])
	if state == "estab" {
		state = "established"
	}
	end := func(s string) netip.AddrPort {
		colon := strings.LastIndex(s, ":")
		host, port := s[:colon], s[colon+1:]
		host, _, _ = strings.Cut(host, "%")
		host = strings.Trim(host, "[]")
		if host == "*" {
			host = "::"
		}
		if port == "*" {
			return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		}
		addr, err := netip.ParseAddr(host)
		if err != nil {
			t.Fatalf("line of ss %q: %v", text, err)
		}
		n, err := net.LookupPort("tcp", port)
		if err != nil {
			t.Fatalf("line of ss %q: %v", text, err)
		}
		return netip.AddrPortFrom(addr.Unmap(), uint16(n))
	}
	pid := 0
	if _, rest, ok := strings.Cut(text, "pid="); ok {
		if _, err := fmt.Sscanf(rest, "%d", &pid); err != nil {
			t.Fatalf("line of ss %q: %v", text, err)
		}
	}
	return fmt.Sprintln(fields[0], state, end(fields[4]), end(fields[5]), pid)
}

func TestWhatThePolicySaysOfConnections(t *testing.T) {
	local, remote := hosts.Pair(t)
	if err := local.Sysctl("net/netfilter/nf_conntrack_acct", "1"); err != nil {
		t.Fatal(err)
	}
	d := hosts.Run(t, local, blockAll+rule("ssh", "allow", "in", 22)+rule("no-telnet", "block", "out", 23)+`
[[rule]]
name = "lan-dns"
action = "allow"
direction = "in"
protocol = "udp"
port = 5353
remote = "@lan"
interface = "eth0"
[[rule]]
name = "web-out"
action = "allow"
direction = "out"
port = 443
interface = "eth*"
`)
	in := stream(t, remote, local, "192.0.2.10:22")
	out := stream(t, local, remote, "192.0.2.7:443")
	for _, s := range []*hosts.Stream{in, out} {
		if err := s.Alive(limit); err != nil {
			t.Fatal(err)
		}
	}
	listen(t, local, "[::]:22")
	listen(t, local, "192.0.2.10:80")
	closed[net.PacketConn](t)(local.ListenPacket("udp4", "0.0.0.0:5353"))
	loop := closed[net.Listener](t)(local.Listen("tcp", "127.0.0.1:631"))
	closed[net.Conn](t)(local.Dial("tcp", "127.0.0.1:631", limit))
	closed[net.Conn](t)(loop.Accept())
	list := attempt(t, d, 23)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		means func(api.Connection) bool
		// direction, verdict, rule, reach
		want string
	}{
		{"ssh in", func(c api.Connection) bool { return c.LocalPort == 22 && c.Reach == nil }, "in allow ssh"},
		{"out", func(c api.Connection) bool { return c.RemotePort == 443 }, "out allow web-out"},
		{"blocked while it is opened", func(c api.Connection) bool { return c.RemotePort == 23 }, "out block no-telnet"},
		{"listening for all", func(c api.Connection) bool { return c.LocalPort == 22 && c.Reach != nil }, "allow ssh anywhere [anywhere]"},
		{"listening for nobody", func(c api.Connection) bool { return c.LocalPort == 80 }, "block default nowhere []"},
		{"listening for some", func(c api.Connection) bool { return c.LocalPort == 5353 }, "allow lan-dns some [@lan on eth0]"},
		{"loopback", func(c api.Connection) bool { return c.LocalPort == 631 && c.Reach != nil }, "allow loopback loopback []"},
		{"loopback's server", func(c api.Connection) bool { return c.LocalPort == 631 && c.Reach == nil }, "in allow loopback"},
		{"loopback's client", func(c api.Connection) bool { return c.RemotePort == 631 }, "out allow loopback"},
	} {
		got := the(t, list, c.means)
		text := strings.TrimSpace(fmt.Sprint(got.Direction, " ", got.Verdict, " ", got.Rule))
		if got.Reach != nil {
			text += fmt.Sprint(" ", got.Reach.From, " ", got.Reach.Remotes)
		}
		if text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
		if got.Reach == nil && got.State != "syn-sent" && (got.BytesIn == nil || *got.BytesIn == 0 || *got.BytesOut == 0) {
			t.Errorf("%s: bytes in %v, out %v", c.name, got.BytesIn, got.BytesOut)
		}
		// The one that is refused is another process of the same program.
		if (got.PID == os.Getpid()) == (got.State == "syn-sent") || got.Exe != self || got.User != "root" || got.UID != 0 {
			t.Errorf("%s: held by %d %s of %s", c.name, got.PID, got.Exe, got.User)
		}
	}
}

// attempt lists the sockets while a program tries to connect and is not answered.
func attempt(t *testing.T, d *hosts.Daemon, port uint16) (list []api.Connection) {
	t.Helper()
	sender(t, d.Host, fmt.Sprintf("tcp 192.0.2.7:%d", port), "")
	eventually(t, "a socket that tries", limit, func() bool {
		list = connections(t, d)
		return slices.ContainsFunc(list, func(c api.Connection) bool { return c.State == "syn-sent" && c.RemotePort == port })
	})
	return list
}

// A ban and a panic come before all rules.
func TestWhatComesBeforeRulesIsSaidOfConnections(t *testing.T) {
	local, _ := hosts.Pair(t)
	d := hosts.Run(t, local, openToAll)
	closed[net.Listener](t)(local.Listen("tcp", "192.0.2.10:80"))
	pfw(t, d, "ban", "192.0.2.7")
	trying := func(port uint16) func(api.Connection) bool {
		return func(c api.Connection) bool { return c.RemotePort == port }
	}
	listening := func(c api.Connection) bool { return c.State == "listen" }
	list := attempt(t, d, 443)
	if c := the(t, list, trying(443)); c.Verdict != "block" || c.Rule != "banned" {
		t.Errorf("to a remote that is banned: %+v", c)
	}
	if c := the(t, list, listening); c.Verdict != "allow" || c.Reach.From != "anywhere" {
		t.Errorf("listening: %+v", c)
	}
	pfw(t, d, "unban", "192.0.2.7")
	pfw(t, d, "panic", "on")
	list = attempt(t, d, 444)
	for _, c := range []api.Connection{the(t, list, trying(444)), the(t, list, listening)} {
		if c.Verdict != "block" || c.Rule != "panic" || c.Reach != nil && c.Reach.From != "nowhere" {
			t.Errorf("in a panic: %+v", c)
		}
	}
}

func BenchmarkConnections(b *testing.B) {
	local, remote := hosts.Pair(b)
	d := hosts.Run(b, local, openToAll)
	manySockets(b, local, remote, 240)
	for b.Loop() {
		b.ReportMetric(float64(len(connections(b, d))), "sockets")
	}
}
