package daemon

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// Who is banned while there comes to be room for another number stays so: the kernel bans as its set is read, and grows it.
func TestBansThatComeAsTheirSetIsMadeAnew(t *testing.T) {
	const remotes, perSecond = 20_000, 20_000
	config := func(size int) string {
		return fmt.Sprintf(`
[ban]
size = %d
[[rule]]
name      = "trap"
action    = "block"
direction = "in"
protocol  = "udp"
port      = 9
ban       = { over = "1/second", for = "2h" }
`, size)
	}
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, config(remotes))
	mac, err := local.Hardware("eth0")
	if err != nil {
		t.Fatal(err)
	}
	in, err := remote.NewInjector("eth0", mac)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var packets [][]byte
	for i := range remotes {
		p := hosts.Packet{Protocol: 17, SourcePort: 4000, DestinationPort: 9, Destination: netip.MustParseAddr("192.0.2.10"),
			Source: netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})}
		packets = append(packets, p.Bytes(), p.Bytes())
	}
	flood := in.Flood(packets, perSecond, len(packets))
	for size := remotes + 1; flood.Sent() < len(packets); size++ {
		if err := d.Edit(config(size)); err != nil {
			t.Fatal(err)
		}
		if err := d.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	if err := flood.Wait(); err != nil {
		t.Fatal(err)
	}
	held := func() int {
		out, err := local.Command("nft", "list", "set", "inet", "pfw", "banned4").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.Count(string(out), "expires")
	}
	eventually(t, "all are banned in the kernel", time.Minute, func() bool { return held() == remotes })
	if entries, err := d.Entries(); err != nil || strings.Contains(fmt.Sprint(entries), "the kernel does not have it any more") {
		t.Errorf("bans have ended, %v", err)
	}
}
