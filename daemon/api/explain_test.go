package api

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/audit"
)

const explained = `
[default]
forward = "block"
[[rule]]
name = "staff"
action = "reject"
direction = "out"
protocol = "tcp"
port = 25
group = [7, 8]
interface = "eth1"
[[rule]]
name = "transit"
action = "block"
direction = "forward"
protocol = "udp"
[[rule]]
name = "gone"
enabled = false
action = "block"
direction = "in"
`

func policyOf(t *testing.T, text string) *policy.Policy {
	t.Helper()
	path := filepath.Join(t.TempDir(), "firewall.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Policy
}

func TestFix(t *testing.T) {
	p := policyOf(t, explained)
	now := time.Now()
	until := now.Add(time.Hour)
	bans := func(f *policy.Flow) (Ban, bool) {
		a, _ := f.Remote().Get()
		return Ban{Address: "2001:db8::/64", Until: &Time{until}, Reason: "why"}, netip.MustParsePrefix("2001:db8::/64").Contains(a)
	}
	for packet, want := range map[string]string{
		"in tcp 192.0.2.7:4000 -> 192.0.2.10:22 on eth0": "pfw allow --in --protocol tcp --port 22 --remote 192.0.2.7",
		"in tcp -> :22":                            "pfw allow --in --protocol tcp --port 22",
		"in tcp 2001:db9::7 -> :22":                "pfw allow --in --protocol tcp --port 22 --remote 2001:db9::7",
		"in tcp 2001:db8::7 -> :22":                "pfw unban 2001:db8::/64",
		"in tcp 192.0.2.7 ->":                      "", // all ports are too many
		"in icmp/echo-request 192.0.2.7 ->":        "pfw allow --in --protocol icmp --icmp-type echo-request --remote 192.0.2.7",
		"in icmpv6/139 2001:db9::7 ->":             "pfw allow --in --protocol icmpv6 --icmp-type 139 --remote 2001:db9::7",
		"in icmp/echo-reply 192.0.2.7 ->":          "", // belongs to no connection
		"in gre 192.0.2.7 ->":                      "pfw allow --in --protocol gre --remote 192.0.2.7",
		"in 99 192.0.2.7 ->":                       "pfw allow --in --protocol 99 --remote 192.0.2.7",
		"in sctp 192.0.2.7 -> :36412":              "pfw allow --in --protocol sctp --port 36412 --remote 192.0.2.7",
		"in udp 0.0.0.0:67 -> 255.255.255.255:68":  "", // passes
		"out tcp -> 192.0.2.7:25":                  "",
		"out tcp -> 192.0.2.7:25 on eth1 group 7":  "pfw allow --out --protocol tcp --port 25 --remote 192.0.2.7 --before staff",
		"forward udp 192.0.2.7 -> 198.51.100.9:53": "pfw allow --forward --protocol udp --port 53 --from 192.0.2.7 --to 198.51.100.9 --before transit",
		"forward tcp 192.0.2.7 -> 198.51.100.9:53": "pfw allow --forward --protocol tcp --port 53 --from 192.0.2.7 --to 198.51.100.9",
	} {
		e, err := ExplainPacket(p, packet, config.Disk(), now, Live{Ban: bans})
		if err != nil || e.Fix != want {
			t.Errorf("%s: %q, %v; want %q", packet, e.Fix, err, want)
		}
	}
	e, err := ExplainPacket(p.InPanic(), "in tcp -> :22", config.Disk(), now, Live{Ban: bans})
	if err != nil || e.Fix != "pfw panic off" || e.Rule != "panic" {
		t.Errorf("in panic: %+v, %v", e, err)
	}
}

func TestExplainEntry(t *testing.T) {
	p := policyOf(t, explained)
	drop := func(rule, action, direction string, from, to string, port uint16) audit.Entry {
		return audit.Entry{Seq: 9, EventType: audit.Drop, Direction: direction, Proto: "TCP", SrcIP: audit.Host(netip.MustParseAddr(from)),
			DestIP: netip.MustParseAddr(to), SrcPort: audit.Known[uint16](4000), DestPort: audit.Known(port),
			PFW: audit.PFW{Rule: rule, Action: action, Reason: "then"}}
	}
	out := drop("staff", "reject", "out", "192.0.2.10", "192.0.2.7", 25)
	for _, c := range []struct {
		what   string
		entry  audit.Entry
		packet string
		now    string // who would decide now, "" where it is as then
		fix    string
	}{
		{"a default", drop("default", "block", "in", "2001:db8::7", "2001:db8::10", 22), "in tcp [2001:db8::7]:4000 -> [2001:db8::10]:22", "",
			"pfw allow --in --protocol tcp --port 22 --remote 2001:db8::7"},
		// The log knows no group; that of the rule must have been it.
		{"a rule on groups", out, "out tcp 192.0.2.10:4000 -> 192.0.2.7:25 on eth1 group 7", "",
			"pfw allow --out --protocol tcp --port 25 --remote 192.0.2.7 --before staff"},
		{"a rule that is gone", drop("old", "block", "out", "192.0.2.10", "192.0.2.7", 80), "out tcp 192.0.2.10:4000 -> 192.0.2.7:80", "default", ""},
		{"a rule that is disabled", drop("gone", "block", "in", "192.0.2.7", "192.0.2.10", 80), "in tcp 192.0.2.7:4000 -> 192.0.2.10:80", "default",
			"pfw allow --in --protocol tcp --port 80 --remote 192.0.2.7"},
		{"forwarded", drop("default", "block", "forward", "192.0.2.7", "198.51.100.9", 80), "forward tcp 192.0.2.7:4000 -> 198.51.100.9:80", "",
			"pfw allow --forward --protocol tcp --port 80 --from 192.0.2.7 --to 198.51.100.9"},
	} {
		e, err := ExplainEntry(p, c.entry, time.Now(), Live{})
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		now := ""
		if e.Now != nil {
			now = e.Now.Rule
		}
		if e.Packet != c.packet || now != c.now || e.Fix != c.fix || e.Rule != c.entry.PFW.Rule || e.Verdict != c.entry.PFW.Action || e.Entry.Seq != 9 {
			t.Errorf("%s: %+v, now %q", c.what, e, now)
		}
	}
	unread := out
	unread.Proto = ""
	for what, entry := range map[string]audit.Entry{
		"a reload":                    {Seq: 9, EventType: audit.Reload, PFW: audit.PFW{Reason: "x"}},
		"packets over the cap":        {Seq: 9, EventType: audit.Suppressed, PFW: audit.PFW{Rule: "staff", Count: 3}},
		"a packet that nobody reads":  unread,
		"an entry of a later version": {Seq: 9, EventType: audit.Drop, Direction: "sideways", Proto: "TCP"},
	} {
		_, err := ExplainEntry(p, entry, time.Now(), Live{})
		if p := problem(t, err); p.Status != 400 || p.Hint == "" {
			t.Errorf("%s: %+v", what, p)
		}
	}
}
