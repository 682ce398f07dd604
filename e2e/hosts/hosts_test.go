package hosts_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) { hosts.Main(m) }

const wait = 2 * time.Second

func TestTwoHostsReachEachOther(t *testing.T) {
	local, remote := hosts.Pair(t)
	for _, address := range []string{"192.0.2.10", "2001:db8::10"} {
		talkTCP(t, remote, local, address)
		talkUDP(t, remote, local, address)
		if err := remote.Ping(netip.Addr{}, netip.MustParseAddr(address), wait); err != nil {
			t.Errorf("ping %s: %v", address, err)
		}
	}
}

func TestRouterForwards(t *testing.T) {
	left, _, right := hosts.Routed(t)
	for _, address := range []string{"198.51.100.2", "2001:db8:2::2"} {
		talkTCP(t, left, right, address)
		talkUDP(t, left, right, address)
	}
}

func TestHostsSeeOnlyTheirOwn(t *testing.T) {
	local, _ := hosts.Pair(t)
	other := hosts.New(t, "other")
	names := func() (all string) {
		list, err := net.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			all += i.Name + " "
		}
		return all
	}
	var seen []string
	for _, h := range []*hosts.Host{local, other} {
		if err := h.Do(func() error { seen = append(seen, names()); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	seen = append(seen, names())
	if want := []string{"lo eth0 ", "lo ", "lo "}; strings.Join(seen, "|") != strings.Join(want, "|") {
		t.Errorf("interfaces of local, other and the test itself: %q, want %q", seen, want)
	}
}

func TestLocalPrefixAnswers(t *testing.T) {
	local, remote := hosts.Pair(t)
	for _, c := range []struct{ prefix, via, address string }{
		{"203.0.113.0/24", "192.0.2.7", "203.0.113.99"},
		{"2001:db8:9::/48", "2001:db8::7", "2001:db8:9:1::99"},
	} {
		if err := remote.AddLocal(netip.MustParsePrefix(c.prefix)); err != nil {
			t.Fatal(err)
		}
		if err := local.AddRoute(netip.MustParsePrefix(c.prefix), netip.MustParseAddr(c.via)); err != nil {
			t.Fatal(err)
		}
		address := netip.MustParseAddr(c.address)
		if err := local.Ping(netip.Addr{}, address, wait); err != nil {
			t.Errorf("ping %s: %v", address, err)
		}
		if err := remote.Ping(address, netip.MustParseAddr(map[bool]string{true: "192.0.2.10", false: "2001:db8::10"}[address.Is4()]), wait); err != nil {
			t.Errorf("ping from %s: %v", address, err)
		}
	}
}

func TestPingWithoutAnswerTimesOut(t *testing.T) {
	local, _ := hosts.Pair(t)
	err := local.Ping(netip.Addr{}, netip.MustParseAddr("192.0.2.200"), 50*time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestCommandRunsInTheHost(t *testing.T) {
	local, _ := hosts.Pair(t)
	cmd := local.Command("cat", "/proc/self/net/if_inet6")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "20010db8000000000000000000000010") {
		t.Errorf("the program sees other addresses than the host's:\n%s", out)
	}
}

func TestCloseEndsProgramsAndNamespace(t *testing.T) {
	h, err := hosts.Create("short-lived")
	if err != nil {
		t.Fatal(err)
	}
	cmd := h.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	path := h.Path()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("program ended with %v, want it killed", err)
	}
	if target, err := os.Readlink(path); err == nil && strings.HasPrefix(target, "net:") {
		t.Errorf("%s still holds %s", path, target)
	}
}

func TestRefusesNamespaceThatIsNotItsOwn(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	inode := strings.TrimSuffix(strings.TrimPrefix(own, "net:["), "]")
	for _, c := range []struct{ name, env string }{
		{"marker of another parent", "PFW_HOSTS_PARENT_NETNS=1:1"},
		{"parent's own namespace", fmt.Sprintf("PFW_HOSTS_PARENT_NETNS=%d:%s", os.Getpid(), inode)},
		{"another namespace", "PFW_HOSTS_NETNS=1"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTwoHosts")
		cmd.Env = append(without(os.Environ(), "PFW_HOSTS_"), c.env)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "refusing to run tests here") {
			t.Errorf("%s: %v, want a refusal\n%s", c.name, err, out)
		}
	}
}

func TestRunsInNewNamespaceWhenUnmarked(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestTwoHosts", "-test.v")
	cmd.Env = without(os.Environ(), "PFW_HOSTS_")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestTwoHosts") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestExitCodeIsPassedOn(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.no-such-flag")
	cmd.Env = without(os.Environ(), "PFW_HOSTS_")
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("got %v, want exit status 2", err)
	}
}

func without(env []string, prefix string) (kept []string) {
	for _, e := range env {
		if !strings.HasPrefix(e, prefix) {
			kept = append(kept, e)
		}
	}
	return kept
}

func talkTCP(t *testing.T, from, to *hosts.Host, address string) {
	t.Helper()
	l, err := to.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := from.Dial("tcp", l.Addr().String(), wait)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	exchange(t, conn, server)
}

func talkUDP(t *testing.T, from, to *hosts.Host, address string) {
	t.Helper()
	server, err := to.ListenPacket("udp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := from.Dial("udp", server.LocalAddr().String(), wait)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exchange(t, conn, server.(net.Conn))
}

func exchange(t *testing.T, from, to net.Conn) {
	t.Helper()
	if _, err := from.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := to.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := to.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("got %q, %v, want hello", buf[:n], err)
	}
}
