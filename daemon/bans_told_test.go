package daemon

import (
	"fmt"
	"net/netip"
	"testing"

	"pfw/e2e/hosts"
)

// knocks sends openings of TCP to the local host from anybody.
func knocks(t *testing.T, local, remote *hosts.Host) func(from string, port uint16, times int) {
	t.Helper()
	in := hosts.Inject(t, remote, local)
	return func(from string, port uint16, times int) {
		t.Helper()
		for i := range times {
			p := hosts.Packet{Protocol: 6, Flags: hosts.SYN, Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr("192.0.2.10"),
				SourcePort: uint16(4000 + i), DestinationPort: port}
			if p.Source.Is6() {
				p.Destination = netip.MustParseAddr("2001:db8::10")
			}
			if err := in.Send(p.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

const banning = `
[[rule]]
name = "ssh"
action = "allow"
direction = "in"
protocol = "tcp"
port = 22
ban = { over = "2/hour", for = "15m" }
[[rule]]
name = "telnet"
action = "block"
direction = "in"
protocol = "tcp"
port = 23
ban = { over = "2/hour", for = "1h" }
log = false
`

// Each ban by a rule has its entry, with rule and reason, whatever the log's cap leaves of the packets.
func TestABanByARuleIsTold(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, "[log]\nmax_rate = \"1/hour\"\njournal = false\n"+banning)
	knock := knocks(t, local, remote)
	const ssh = "rule ssh allows tcp port 22 and bans over 2/hour: banned for 15m"
	for i := range 5 {
		from := fmt.Sprintf("198.51.100.%d", i+1)
		knock(from, 22, 6)
		e, err := d.WaitEntry(limit, isBan("ban", from, ssh))
		if err != nil || e.PFW.Rule != "ssh" || e.PFW.Until == "" {
			t.Fatalf("%v %s", err, e.Line)
		}
	}
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.EventType == "drop" && e.PFW.Rule == "ssh" && e.PFW.Reason == ssh }); err != nil {
		t.Error(err)
	}
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool {
		return e.EventType == "suppressed" && e.PFW.Rule == "ssh" && e.PFW.Count > 0
	}); err != nil {
		t.Error(err)
	}
	knock("2001:db8:9::1", 23, 6)
	if e, err := d.WaitEntry(limit, isBan("ban", "2001:db8:9::/64", "rule telnet blocks tcp port 23 and bans over 2/hour: banned for 1h")); err != nil || e.PFW.Rule != "telnet" {
		t.Errorf("%v %s", err, e.Line)
	}
	list := bansOf(t, d)
	if len(list) != 6 {
		t.Errorf("banned: %+v", list)
	}
	for _, b := range list {
		if b.Rule == "" || b.Reason == adopted || b.Until == nil {
			t.Errorf("ban %+v", b)
		}
	}
	entries, err := d.Entries()
	if err != nil {
		t.Fatal(err)
	}
	var drops, told uint64
	for _, e := range entries {
		switch {
		case e.EventType == "drop" && e.PFW.Rule == "telnet":
			t.Errorf("entry of a rule that is not to be logged: %s", e.Line)
		case e.EventType == "drop" && e.PFW.Rule == "ssh":
			drops++
		case e.EventType == "suppressed" && e.PFW.Rule == "ssh":
			told += e.PFW.Count
		case e.EventType == "ban" && e.PFW.Reason == adopted:
			t.Errorf("a ban nobody told of: %s", e.Line)
		}
	}
	if drops != 1 || drops+told > 5 {
		t.Errorf("%d entries and %d suppressed of the 5 packets that banned", drops, told)
	}
}
