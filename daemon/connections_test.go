package daemon

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

const outward = blockAll + `
[[rule]]
name = "no-eighty"
action = "reject"
direction = "out"
protocol = "tcp"
port = 80
severity = "high"
`

// stream opens a TCP connection with data going both ways.
func stream(t *testing.T, from, to *hosts.Host, address string) *hosts.Stream {
	t.Helper()
	s, err := hosts.OpenStream(from, to, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Alive(limit); err != nil {
		t.Fatal(err)
	}
	return s
}

func isCut(rule, direction string, port uint16) func(hosts.Entry) bool {
	return func(e hosts.Entry) bool {
		return e.EventType == "cut" && e.PFW.Rule == rule && e.Direction == direction && e.DestPort == port && e.CommunityID != ""
	}
}

func TestReloadCutsWhatIsForbiddenAndNothingElse(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, web+rule("ssh", "allow", "in", 22))
	in := stream(t, remote, local, "192.0.2.10:80")
	out := stream(t, local, remote, "192.0.2.7:80")
	stays := stream(t, remote, local, "[2001:db8::10]:22")

	edit(t, d, outward+rule("web", "allow", "in", 80)+rule("ssh", "allow", "in", 22))
	reload(t, d)
	if out.Alive(shortly) == nil {
		t.Error("the connection out goes on")
	}
	if err := in.Alive(limit); err != nil {
		t.Errorf("the connection in is cut, too: %v", err)
	}
	if _, err := d.WaitEntry(limit, isCut("no-eighty", "out", 80)); err != nil {
		t.Error(err)
	}

	edit(t, d, blockAll+rule("ssh", "allow", "in", 22))
	reload(t, d)
	if in.Alive(shortly) == nil {
		t.Error("the connection in goes on")
	}
	if _, err := d.WaitEntry(limit, isCut("default", "in", 80)); err != nil {
		t.Error(err)
	}
	if err := stays.Alive(limit); err != nil {
		t.Errorf("what is allowed is cut: %v", err)
	}
}

func TestWhatWasCutMayComeAgainOnceItIsAllowed(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, blockAll)
	udp := func() bool {
		server, err := remote.ListenPacket("udp", "192.0.2.7:53")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		// The same ports each time, so the same connection.
		client, err := local.DialWith(net.Dialer{LocalAddr: &net.UDPAddr{Port: 5353}}, "udp", "192.0.2.7:53")
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Write([]byte("x")); err != nil {
			return false // refused at once
		}
		if err := server.SetReadDeadline(time.Now().Add(shortly)); err != nil {
			t.Fatal(err)
		}
		_, _, err = server.ReadFrom(make([]byte, 10))
		return err == nil
	}
	if !udp() {
		t.Fatal("nothing passes")
	}
	edit(t, d, blockAll+"[[rule]]\nname = \"no-dns\"\naction = \"block\"\ndirection = \"out\"\nprotocol = \"udp\"\nport = 53\n")
	reload(t, d)
	if _, err := d.WaitEntry(limit, isCut("no-dns", "out", 53)); err != nil {
		t.Fatal(err)
	}
	if udp() {
		t.Error("it goes on")
	}
	edit(t, d, blockAll)
	reload(t, d)
	if !udp() {
		t.Error("it is still dropped")
	}
}

func TestFirstStartKeepsWhatIsAllowed(t *testing.T) {
	local, remote := hosts.Pair(t)
	out := stream(t, local, remote, "192.0.2.7:443")
	in := stream(t, remote, local, "192.0.2.10:22")
	forbidden := stream(t, remote, local, "192.0.2.10:80")
	// Who accepted them is known by who listens.
	listen(t, local, "192.0.2.10:22")
	listen(t, local, "192.0.2.10:80")
	d := hosts.Run(t, local, blockAll+rule("ssh", "allow", "in", 22))
	if err := out.Alive(limit); err != nil {
		t.Errorf("a connection out that is allowed: %v", err)
	}
	if err := in.Alive(limit); err != nil {
		t.Errorf("a connection in that is allowed: %v", err)
	}
	if forbidden.Alive(shortly) == nil {
		t.Error("a connection that is forbidden goes on")
	}
	if _, err := d.WaitEntry(limit, isCut("default", "in", 80)); err != nil {
		t.Error(err)
	}

	// Conntrack has learned of them from packets of either way; a reload judges them by the way they were opened.
	reload(t, d)
	if err := out.Alive(limit); err != nil {
		t.Errorf("after a reload, a connection out that is allowed: %v", err)
	}
	if err := in.Alive(limit); err != nil {
		t.Errorf("after a reload, a connection in that is allowed: %v", err)
	}
	edit(t, d, blockAll)
	reload(t, d)
	if in.Alive(shortly) == nil {
		t.Error("after a reload that forbids it, a connection in goes on")
	}
	if err := out.Alive(limit); err != nil {
		t.Errorf("after a reload, a connection out that is still allowed: %v", err)
	}
}

// More connections than the set of those that were cut can hold: as many as fit are in it, and a person is told.
func TestAsManyAreCutAsTheKernelHolds(t *testing.T) {
	local, _ := hosts.Pair(t)
	d := hosts.Run(t, local, blockAll)
	const each, many = 10_000, 4 // of two entries each, where the set holds 65,536
	for i := range many {
		socket, err := local.ListenPacket("udp", fmt.Sprintf("192.0.2.10:%d", 40000+i))
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		for port := range each {
			if _, err := socket.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 7), Port: port + 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	edit(t, d, blockAll+"[[rule]]\nname = \"no-udp\"\naction = \"block\"\ndirection = \"out\"\nprotocol = \"udp\"\n")
	reload(t, d)
	s, err := d.Pfw("status", "--json")
	if err != nil || !strings.Contains(s, "connections that the policy forbids may go on") {
		t.Errorf("%v\n%s", err, s)
	}
	out, err := local.Command("nft", "list", "set", "inet", "pfw", "cut4").CombinedOutput()
	if n := strings.Count(string(out), " . "); err != nil || n < 4*50_000 {
		t.Errorf("%v; %d entries are cut", err, n/4)
	}
}
