package leak

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// patience is how long pfwd may take to notice something on a busy machine.
const patience = 15 * time.Second

// Who is banned is all the time: also while it moves where that is asked, before conntrack where nothing is passed on, and
// behind it where something is.
func TestTheBannedDoNotLeakWhileTheHookMoves(t *testing.T) {
	local, remote := hosts.Pair(t)
	const open = "[default]\ninbound = \"allow\"\n[log]\nunmatched = false\njournal = false\n"
	const listed = open + "[[rule]]\nname = \"bad\"\naction = \"block\"\ndirection = \"both\"\nremote = [\"198.18.0.0/15\", \"203.0.113.0/28\"]\nlog = false\n"
	d := hosts.Run(t, local, open)
	var leaked atomic.Int64
	for _, protocol := range []uint8{6, 17} {
		tap, err := local.Arrivals(false, protocol, func(p hosts.Packet) {
			if bad4.Contains(p.Source) {
				leaked.Add(1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := tap.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	var packets [][]byte
	for i := range 32 {
		from := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if _, err := d.Pfw("ban", from.String()); err != nil {
			t.Fatal(err)
		}
		for _, p := range []hosts.Packet{{Protocol: 17}, {Protocol: 6, Flags: hosts.SYN}, {Protocol: 6, Flags: hosts.ACK}} {
			p.Source, p.Destination, p.SourcePort, p.DestinationPort = from, netip.MustParseAddr("192.0.2.10"), uint16(5000+i), 5001
			packets = append(packets, p.Bytes())
		}
	}
	flood := hosts.Inject(t, remote, local).Flood(packets, perSecond, 4*atMost)
	t.Cleanup(func() {
		if err := flood.End(); err != nil {
			t.Error(err)
		}
	})
	for i := range 40 {
		want := i%2 == 0
		if err := local.Sysctl("net/ipv4/ip_forward", map[bool]string{true: "0", false: "1"}[want]); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			script, err := d.Pfw("show", "--nft")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(script, "hook prerouting") == want {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("move %d is not noticed", i)
			}
		}
		if err := d.Edit([]string{open, listed}[i/2%2]); err != nil {
			t.Fatal(err)
		}
		if err := d.Reload(); err != nil {
			t.Fatal(err)
		}
		if n := leaked.Load(); n > 0 {
			t.Fatalf("move %d: %d packets of who is banned came through", i, n)
		}
	}
	rules, err := d.Rules()
	if err != nil {
		t.Fatal(err)
	}
	if n := rules.Packets()["banned"]; n == 0 {
		t.Error("nobody was at the door: ", fmt.Sprint(rules))
	}
}
