package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
)

func TestWhatARuleSays(t *testing.T) {
	for _, c := range []struct{ direction, lines, want string }{
		{"in", ``, "block in"},
		{"both", `protocol = "tcp"`, "block both tcp"},
		{"in", `protocol = [6, "tcp", "17", 47]`, "block in tcp,udp,gre"},
		{"in", `protocol = 99`, "block in 99"},
		{"in", `port = 22`, "block in tcp,udp port 22"},
		{"in", `port = "22"`, "block in tcp,udp port 22"},
		{"in", `port = [80, "8000-8100", "ssh", "81"]`, "block in tcp,udp port 22,80-81,8000-8100"},
		{"in", `port = "www"`, "block in tcp,udp port 80"},
		{"in", `port = "ftp-data"`, "block in tcp,udp port 20"},
		{"in", `port = "mdns"`, "block in tcp,udp port 5353"},
		{"in", "protocol = \"udp\"\nport = \"two\"", "block in udp port 2"},
		{"in", "protocol = [\"udp\", \"tcp\"]\nport = \"ssh\"", "block in udp,tcp port 22"},
		{"in", "protocol = \"sctp\"\nsource_port = \"1 - 1024\"", "block in sctp source port 1-1024"},
		{"in", "protocol = \"icmp\"\nicmp_type = [8, \"echo-reply\", \"8\"]", "block in icmp/echo-request,icmp/echo-reply"},
		{"in", "protocol = [\"icmp\", \"icmpv6\"]\nicmp_type = [\"echo-request\", \"nd-redirect\"]", "block in icmp/echo-request,icmpv6/echo-request,icmpv6/nd-redirect"},
		{"in", "protocol = 58\nicmp_type = 200", "block in icmpv6/200"},
		{"in", `remote = "@lan"`, "block in remote @lan"},
		{"in", "remote = [\"10.0.0.0/8\", \"!10.1.0.0/16\"]\nlocal = \"fd00::1-fd00::9\"\nlocal2 = 1", ""},
		{"out", "interface = [\"eth0\", \"wl*\", \"eth0\"]\nuser = [\"alice\", 5, \"6\"]\ngroup = \"wheel\"", "block out on eth0,wl* user alice,5,6 group wheel"},
		{"forward", "from = \"10.0.0.0/8\"\nto = \"!10.0.0.0/8\"\nin_interface = \"eth0\"\nout_interface = [\"eth1\"]", "block forward from 10.0.0.0/8 to !10.0.0.0/8 in eth0 out eth1"},
		{"in", `schedule = { days = ["mon-fri"], from = "22:00", to = "06:00" }`, "block in at mon,tue,wed,thu,fri 22:00-06:00"},
		{"in", `schedule = { days = "fri-mon" }`, "block in at mon,fri,sat,sun 00:00-24:00"},
		{"in", `schedule = { from = "08:00", to = "24:00" }`, "block in at daily 08:00-24:00"},
		{"in", "[rule.schedule]\ndays = [\"sun\", \"mon-mon\"]", "block in at mon,sun 00:00-24:00"},
		{"in", "schedule.days = \"wed\"", "block in at wed 00:00-24:00"},
		{"in", `until = 2030-01-02T03:04:05Z`, "block in until 2030-01-02 03:04:05"},
		{"in", `until = 2030-01-02 03:04:05`, "block in until 2030-01-02 03:04:05"},
	} {
		text := inRule(c.direction, c.lines)
		if c.direction == "forward" {
			text += "[default]\nforward = \"block\"\n"
		}
		if c.want == "" {
			refused(t, text)
			continue
		}
		if got := load(t, text).Policy.Rule("a").Text(); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.lines, got, c.want)
		}
	}
}

func TestAddressesOfARule(t *testing.T) {
	const lists = "[list.a]\nentries = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n[list.none]\nentries = []\n"
	for _, c := range []struct{ remote, in, out string }{
		{`"192.0.2.1"`, "192.0.2.1", "192.0.2.2 192.0.2.0 2001:db8::1"},
		{`["192.0.2.0/31", "2001:db8::/127"]`, "192.0.2.1 2001:db8::1", "192.0.2.2 2001:db8::2"},
		{`"192.0.2.5-192.0.2.9"`, "192.0.2.5 192.0.2.9", "192.0.2.4 192.0.2.10"},
		{`"@a"`, "192.0.2.1 2001:db8::1", "10.0.0.1 fd00::1"},
		{`"@lan"`, "10.0.0.1 172.31.255.255 192.168.0.1 169.254.0.1 fd00::1 fe80::1", "172.32.0.0 8.8.8.8 2001:db8::1"},
		{`["@a", "10.0.0.1"]`, "192.0.2.1 10.0.0.1", "10.0.0.2"},
		{`["@a", "!192.0.2.128/25"]`, "192.0.2.127 2001:db8::1", "192.0.2.128"},
		{`["!192.0.2.128/25", "@a"]`, "192.0.2.127 2001:db8::1", "192.0.2.128"},
		{`"!10.0.0.0/8"`, "9.255.255.255 11.0.0.0 2001:db8::1 ::", "10.0.0.0 10.255.255.255"},
		{`["!@lan", "!@a"]`, "8.8.8.8 2001:db9::", "10.0.0.1 192.0.2.1 fd00::1 2001:db8::"},
		{`"@none"`, "", "10.0.0.1 ::1"},
		{`["@none", "!@a"]`, "", "10.0.0.1 ::1"},
		{`["@none", "10.0.0.1"]`, "10.0.0.1", "10.0.0.2"},
		{`"!@none"`, "10.0.0.1 ::1", ""},
		{`"0.0.0.0/0"`, "10.0.0.1", "::1"},
		{`"::/0"`, "::1", "10.0.0.1"},
	} {
		p := load(t, lists+inRule("in", "remote = "+c.remote)).Policy
		m, _ := p.Rule("a").Match(policy.In)
		set := m.Source.Set()
		for _, s := range strings.Fields(c.in) {
			if !set.Contains(netip.MustParseAddr(s)) {
				t.Errorf("%s: %s is not in it", c.remote, s)
			}
		}
		for _, s := range strings.Fields(c.out) {
			if set.Contains(netip.MustParseAddr(s)) {
				t.Errorf("%s: %s is in it", c.remote, s)
			}
		}
	}
}

func TestRulesOfOneListShareItsSet(t *testing.T) {
	rule := func(name, remote string) string {
		return strings.Replace(inRule("in", "protocol = 1\nremote = "+remote), `"a"`, `"`+name+`"`, 1)
	}
	c := load(t, rule("x", `"@lan"`)+rule("y", `["@lan"]`)+rule("z", `["@lan", "@lan"]`))
	for _, name := range []policy.Name{"x", "y", "z"} {
		m, _ := c.Policy.Rule(name).Match(policy.In)
		if m.Source.Set() != c.Lists[0].Set {
			t.Errorf("rule %s has a copy of @lan", name)
		}
	}
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "[default]\n[log]\n"} {
		c := load(t, text)
		if d := c.Policy.Defaults(); d.Inbound != policy.Block || d.Outbound != policy.Allow || d.Forward.String() != "ignore" {
			t.Errorf("[default] %+v", d)
		}
		if l := c.Policy.Log(); l != (policy.Log{Unmatched: true, Cap: policy.Rate{Packets: 50, Per: time.Second}, Group: 100}) {
			t.Errorf("[log] %+v", l)
		}
		if c.Sinks != (Sinks{Journal: true, File: "/var/log/pfw/audit.jsonl", MaxSize: 64 << 20, Keep: 8}) {
			t.Errorf("[log] %+v", c.Sinks)
		}
	}
	c := load(t, inRule("in", "")+strings.NewReplacer(`"a"`, `"b"`, `"block"`, `"allow"`).Replace(inRule("out", "")))
	a, b := c.Policy.Rule("a"), c.Policy.Rule("b")
	if !a.Log || b.Log || a.Disabled || a.Severity != policy.Low || a.Origin != (policy.Origin{File: rootFile, Line: 1}) || b.Origin.Line != 6 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestSettings(t *testing.T) {
	c := load(t, `
[default]
inbound = "reject"
outbound = "block"
forward = "allow"
[log]
unmatched = false
allowed = true
journal = false
file = ""
max_size = "1GiB"
keep = 0
max_rate = "3/day"
group = 7
[[rule]]
name = "a"
action = "allow"
direction = "in"
enabled = false
log = true
severity = "high"
comment = "why not"
`)
	if d := c.Policy.Defaults(); d.Inbound != policy.Reject || d.Outbound != policy.Block || d.Forward != policy.ForwardBy(policy.Allow) {
		t.Errorf("[default] %+v", d)
	}
	if l := c.Policy.Log(); l != (policy.Log{Allowed: true, Cap: policy.Rate{Packets: 3, Per: 24 * time.Hour}, Group: 7}) {
		t.Errorf("[log] %+v", l)
	}
	if c.Sinks != (Sinks{MaxSize: 1 << 30}) {
		t.Errorf("[log] %+v", c.Sinks)
	}
	if r := c.Policy.Rule("a"); !r.Disabled || !r.Log || r.Severity != policy.High || r.Comment != "why not" {
		t.Errorf("%+v", r)
	}
	if l := load(t, "[log]\nmax_rate = \"unlimited\"").Policy.Log(); !l.Cap.Unlimited() {
		t.Errorf("unlimited is %+v", l.Cap)
	}
}

func TestUntilIsLocalTime(t *testing.T) {
	local := time.Local
	defer func() { time.Local = local }()
	time.Local = time.FixedZone("test", 5*3600)
	r := load(t, inRule("in", "until = 2030-01-02T03:04:05")).Policy.Rule("a")
	if want := time.Date(2030, 1, 1, 22, 4, 5, 0, time.UTC); !r.Until.Equal(want) {
		t.Errorf("until %s, want %s", r.Until, want)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{inRule("in", "until = 2020-01-01T00:00:00Z"), `5:9: rule "a": until: until 2020-01-01T00:00:00Z is past; the rule is disabled`},
		{inRule("in", `interface = ["lo"]`), `5:13: rule "a": interface: the rule can never match on interface lo`},
		{inRule("both", `interface = ["lo"]`), `5:13: rule "a": interface: the rule can never match on interface lo`},
		{"default.forward = \"block\"\n" + inRule("forward", `out_interface = "lo"`), `6:17: rule "a": out_interface: the rule can never match on interface lo`},
		{inRule("in", "protocol = \"icmp\"\nicmp_type = \"redirect\""), `6:13: rule "a": icmp_type: icmp type redirect opens no connection, so it never reaches a rule`},
		{inRule("in", "port = 22") + strings.Replace(inRule("in", "port = 22"), `"a"`, `"b"`, 1), `6:1: rule "b": rule b is a duplicate of rule a`},
		{inRule("both", "") + strings.Replace(inRule("in", "port = 22"), `"a"`, `"b"`, 1), `6:1: rule "b": rule b can never match: the earlier rule a takes all that it asks for`},
		{inRule("in", `remote = ["10.0.0.0/8", "10.1.0.0/16"]`), `5:25: rule "a": remote: "10.1.0.0/16" is covered by "10.0.0.0/8"`},
		{"[list.x]\nentries = [\"10.1.0.0/16\", \"fd00::1\", \"10.0.0.0/8\"]", `2:12: [list.x] entries: "10.1.0.0/16" is covered by "10.0.0.0/8"`},
		{"[list.x]\nentries = [\"10.0.0.1\", \"10.0.0.1/32\"]", `2:24: [list.x] entries: "10.0.0.1/32" is there twice`},
		{"[list.x]\nentries = [\"10.0.0.1/8\"]", `2:12: [list.x] entries: "10.0.0.1/8" has host bits set; it is read as 10.0.0.0/8`},
	} {
		w := load(t, c.text).Warnings
		if len(w) != 1 || place(w[0]) != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.text, w, c.want)
		}
	}
	if w := load(t, "[list.x]\nentries = [\"10.0.0.0/9\", \"10.128.0.0/9\", \"11.0.0.0/8\", \"::/1\"]\n"+inRule("in", "remote = [\"@x\", \"!10.0.0.1\"]")).Warnings; len(w) > 0 {
		t.Errorf("a good file warns: %v", w)
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"alow": "allow", "ALLOW": "allow", "drop": "block", "rejct": "reject", "blokc": "block", "xyzzy": "", "": "",
	} {
		if got := nearest(word, verdictWords); got != want {
			t.Errorf("nearest to %q: %q, want %q", word, got, want)
		}
	}
	if got := nearest("prot", []string{"protocol", "port"}); got != "port" {
		t.Errorf("two letters that changed places: %q", got)
	}
	if s := suggest("x", slices.Repeat([]string{"word"}, 40)); s != "" {
		t.Errorf("a hint of forty words: %s", s)
	}
}
