package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
)

func TestBansOfAFile(t *testing.T) {
	p := load(t, "").Policy
	if b := p.Bans(); b.Never != nil || b.Size != 65536 || p.Detect() != (policy.Detect{}) {
		t.Errorf("a file that says nothing: %+v, %+v", b, p.Detect())
	}
	for never, want := range map[string]string{
		`[]`:                               "",
		`"192.0.2.1"`:                      "192.0.2.1/32 192.0.2.0/24",
		`["@mine", "192.0.2.8-192.0.2.9"]`: "192.0.2.8/32 198.51.100.0/24 198.51.100.255/32 2001:db8:0:1::/64 2001:db8::/32",
		`["@mine", "!198.51.100.0/25"]`:    "198.51.100.200/32",
		`"@lan"`:                           "192.168.1.1/32 10.0.0.0/8",
	} {
		text := "[ban]\nsize = 100\nnever = " + never + "\n[list.mine]\nentries = [\"198.51.100.0/24\", \"2001:db8:0:1:2::5\"]\n"
		p := load(t, text).Policy
		for _, s := range strings.Fields(want) {
			if !p.NeverBans(netip.MustParsePrefix(s)) {
				t.Errorf("never = %s: %s can be banned", never, s)
			}
		}
		for _, s := range []string{"203.0.113.7/32", "2001:db8:0:2::/64", "198.51.101.0/24"} {
			if p.NeverBans(netip.MustParsePrefix(s)) {
				t.Errorf("never = %s: %s is never banned", never, s)
			}
		}
		for _, s := range []string{"127.0.0.1/32", "0.0.0.0/0", "224.0.0.1/32", "::/64", "fe80::/64", "ff02::/64"} {
			if !p.NeverBans(netip.MustParsePrefix(s)) {
				t.Errorf("%s, which is nobody's, can be banned", s)
			}
		}
		if p.Bans().Size != 100 {
			t.Errorf("size %d", p.Bans().Size)
		}
	}
	if len(load(t, "[ban]\nnever = \"@lan\"\n").Lists[0].Rules) != 0 {
		t.Error("a list that is never banned has a rule without a name")
	}
}

func TestDetectorsOfAFile(t *testing.T) {
	d := load(t, "[detect]\nport_scan = { over = \"20/minute\", ban = \"1h\" }\nsyn_flood = { over = \"200/second\" }\n").Policy.Detect()
	want := policy.Detect{
		PortScan: policy.Detector{Over: policy.Rate{Packets: 20, Per: time.Minute}, Ban: time.Hour},
		SYNFlood: policy.Detector{Over: policy.Rate{Packets: 200, Per: time.Second}},
	}
	if d != want {
		t.Errorf("%+v", d)
	}
	if d := load(t, "[detect.port_scan]\nover = \"5/hour\"\nban = \"\"\n").Policy.Detect(); d.PortScan.Ban != 0 || !d.PortScan.On() || d.SYNFlood.On() {
		t.Errorf("%+v", d)
	}
}

func TestMistakesOfBans(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{"[ban]\nsize = 0", `2:8: [ban] size: 0 is not between 16 and 262144`, ""},
		{"[ban]\nsize = \"1\"", `2:8: [ban] size: a whole number is wanted here, not a string`, "65536"},
		{"[ban]\nnever = \"@nobody\"", `2:9: [ban] never: unknown list "@nobody"`, ""},
		{"[ban]\nnever = [\"10.0.0.0/8\", \"10.0.0.1/8\"]", `2:24: [ban] never: "10.0.0.1/8" has host bits set`, "10.0.0.0/8"},
		{"[ban]\nnever = [\"192.0.2.1\", \"domain:example.org\"]", `2:23: [ban] never: "domain:example.org": a name cannot stand here, as its addresses change`, "addresses"},
		{"[ban]\nnever = 5", `2:9: [ban] never: an address is wanted here, not a number`, ""},
		{"[ban]\nnevr = []", `2:1: [ban] nevr: unknown key "nevr"`, "never"},
		{"[bans]\nsize = 100", `1:2: bans: unknown table "bans"`, "[ban]"},
		{"ban = 5", `1:7: ban: a table is wanted here, not a number`, "[ban]"},
		{"[detect]\nportscan = {}", `2:1: [detect] portscan: unknown key "portscan"`, "port_scan"},
		{"[detect]\nport_scan = true", `2:13: [detect] port_scan: a table is wanted here, not a boolean`, `over = "20/minute"`},
		{"[detect]\nport_scan = {}", `2:13: [detect] port_scan.over: the key "over" is missing`, `over = "20/minute"`},
		{"[detect]\nport_scan = { over = \"0/minute\" }", `2:22: [detect] port_scan.over: a rate of 0 lets nothing through`, ""},
		{"[detect]\nport_scan = { over = \"unlimited\" }", `2:22: [detect] port_scan.over: there is nothing to count at a rate without limit`, "leave"},
		{"[detect]\nsyn_flood = { over = \"9/second\", ban = \"1 h\" }", `2:40: [detect] syn_flood.ban: "1 h" is no length of time`, "15m"},
		{"[detect]\nsyn_flood = { over = \"9/second\", ban = \"5ms\" }", `2:40: [detect] syn_flood.ban: 5ms is not one second or several`, ""},
		{"[detect]\nsyn_flood = { over = \"9/second\", bann = \"5s\" }", `2:34: [detect] syn_flood.bann: unknown key "bann"`, "ban"},
	} {
		got := refused(t, c.text+"\n").All()
		if len(got) != 1 || place(got[0]) != c.want || !strings.Contains(got[0].Hint, c.hint) {
			t.Errorf("%s\n got %v\nwant %s (%s)", c.text, got, c.want, c.hint)
		}
	}
}
