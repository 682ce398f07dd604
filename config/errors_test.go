package config

import (
	"fmt"
	"strings"
	"testing"
)

// place is what a person sees first of a problem.
func place(p Problem) string {
	return strings.TrimPrefix(p.String(), rootFile+":")
}

func TestMistakesOfARule(t *testing.T) {
	for _, c := range []struct{ direction, lines, want, hint string }{
		{"in", `prot = "tcp"`, `5:1: rule "a": prot: unknown key "prot"`, `"port"`},
		{"in", `Comment = "x"`, `5:1: rule "a": Comment: unknown key "Comment"`, `"comment"`},
		{"in", `unit = "x.service"`, `5:1: rule "a": unit: unknown key "unit"`, ""},
		{"in", `dport = 22`, `5:1: rule "a": dport: unknown key "dport"`, `"port"`},
		{"in", `enabled = "true"`, `5:11: rule "a": enabled: true or false is wanted here, not a string`, "without quotation marks"},
		{"in", `enabled = 1`, `5:11: rule "a": enabled: true or false is wanted here, not a number`, ""},
		{"in", `comment = "a\tb"`, `5:11: rule "a": comment: the comment has control characters`, ""},
		{"in", `comment = 5`, `5:11: rule "a": comment: text is wanted here, not a number`, "quotation marks"},
		{"in", `severity = "hgih"`, `5:12: rule "a": severity: unknown word "hgih"`, `"high"`},
		{"in", `log = "yes"`, `5:7: rule "a": log: true or false is wanted here, not a string`, ""},

		{"in", `protocol = "tpc"`, `5:12: rule "a": protocol: unknown protocol "tpc"`, `"tcp"`},
		{"in", `protocol = 256`, `5:12: rule "a": protocol: protocol 256 is not between 0 and 255`, ""},
		{"in", `protocol = -1`, `5:12: rule "a": protocol: unknown protocol "-1"`, ""},
		{"in", `protocol = []`, `5:12: rule "a": protocol: the list is empty`, ""},
		{"in", `protocol = ["tcp", "upd"]`, `5:20: rule "a": protocol: unknown protocol "upd"`, `"udp"`},
		{"in", `protocol = "any"`, `5:12: rule "a": protocol: unknown protocol "any"`, "leave the key out"},
		{"in", `protocol = 1.5`, `5:12: rule "a": protocol: the name or number of a protocol is wanted here, not a number with a fraction`, ""},

		{"in", `port = 0`, `5:8: rule "a": port: 0 is no port`, "1 to 65535"},
		{"in", `port = 65536`, `5:8: rule "a": port: 65536 is no port`, "1 to 65535"},
		{"in", `port = -22`, `5:8: rule "a": port: -22 is no port`, "1 to 65535"},
		{"in", `port = [22, "shs"]`, `5:13: rule "a": port: unknown service "shs"`, `"ssh"`},
		{"in", `port = "8100-8000"`, `5:8: rule "a": port: range "8100-8000" begins above its end`, `"8000-8100"`},
		{"in", `port = "8000:8100"`, `5:8: rule "a": port: "8000:8100" is no port`, `"8000-8100"`},
		{"in", `port = "22,80"`, `5:8: rule "a": port: "22,80" is no port`, "list"},
		{"in", `port = []`, `5:8: rule "a": port: the list is empty`, ""},
		{"in", `port = true`, `5:8: rule "a": port: a port, a range like "8000-8100" or the name of a service is wanted here, not a boolean`, ""},
		{"in", "protocol = \"udp\"\nport = \"ssh\"", `6:8: rule "a": port: service "ssh" is tcp port 22 only`, "number"},
		{"in", `port = "two"`, `5:8: rule "a": port: service "two" has another port in each protocol`, "one protocol"},
		{"in", "protocol = \"icmp\"\nport = 22", `6:8: rule "a": port: protocol icmp has no ports, so the rule can never match`, "tcp, udp"},
		{"in", "protocol = [\"tcp\", \"gre\"]\nsource_port = 22", `6:15: rule "a": source_port: protocol gre has no ports, so the rule can never match`, ""},

		{"in", "port = 22\nprotocol = \"icmp\"\nicmp_type = 8", `7:1: rule "a": icmp_type: port and icmp_type cannot both hold`, "two rules"},
		{"in", "source_port = 22\nicmp_type = 8", `6:1: rule "a": icmp_type: source_port and icmp_type cannot both hold`, "two rules"},
		{"in", "protocol = \"x\"\nport = \"shs\"", `6:8: rule "a": port: unknown service "shs"`, `"ssh"`},
		{"in", "protocol = \"x\"\nicmp_type = [8, \"echo\"]", `6:17: rule "a": icmp_type: unknown icmp type "echo"`, ""},
		{"in", "protocol = \"tcp\"\nicmp_type = true", `6:13: rule "a": icmp_type: the name or number of an icmp type is wanted here, not a boolean`, ""},
		{"out", `user = [1.5]`, `5:9: rule "a": user: a name or number is wanted here, not a number with a fraction`, ""},
		{"out", `user = { a = 1 }`, `5:8: rule "a": user: a name or number is wanted here, not a table`, ""},
		{"in", `comment = ["a"]`, `5:11: rule "a": comment: text is wanted here, not a list`, "without brackets"},
		{"in", `schedule.days.x = "mon"`, `5:10: rule "a": schedule.days: a day is wanted here, not a table`, ""},
		{"in", "schedule = { days = [5] }", `5:22: rule "a": schedule.days: a day is wanted here, not a number`, ""},
		{"in", "log = true\nlog.x = 1", `6:1: rule "a": log: "log" is a boolean already (line 5)`, ""},
		{"in", "until = 2027-01-01T00:00:00\n[rule.until]", `6:7: [rule.until]: "until" is a date and time already (line 5)`, ""},
		{"in", `icmp_type = "echo-request"`, `5:1: rule "a": icmp_type: icmp_type needs protocol icmp or icmpv6`, "protocol"},
		{"in", "protocol = [\"icmp\", \"tcp\"]\nicmp_type = 8", `6:1: rule "a": icmp_type: protocol tcp has no icmp types`, ""},
		{"in", "protocol = [\"icmp\", \"icmpv6\"]\nicmp_type = 8", `6:13: rule "a": icmp_type: icmp type 8 means one thing in icmp and another in icmpv6`, "name"},
		{"in", "protocol = \"icmp\"\nicmp_type = 256", `6:13: rule "a": icmp_type: icmp type 256 is not between 0 and 255`, ""},
		{"in", "protocol = \"icmp\"\nicmp_type = \"echo-rqeuest\"", `6:13: rule "a": icmp_type: unknown icmp type "echo-rqeuest"`, `"echo-request"`},
		{"in", "protocol = \"icmp\"\nicmp_type = \"nd-router-solicit\"", `6:13: rule "a": icmp_type: "nd-router-solicit" is a type of icmpv6, which the rule's protocol leaves out`, "icmpv6"},

		{"in", `remote = "10.0.0.300"`, `5:10: rule "a": remote: "10.0.0.300" is no address`, "write an address"},
		{"in", `remote = "example.org"`, `5:10: rule "a": remote: "example.org" is no address`, `"domain:example.org"`},
		{"out", `remote = ["10.0.0.1", "domain:a..b"]`, `5:23: rule "a": remote: "a..b" is no name: between its dots are 1 to 63 characters`, "domain:*.example.com"},
		{"out", `remote = "!domain:bücher.example"`, `5:10: rule "a": remote: "bücher.example" has letters that the DNS has not`, "xn--"},
		{"out", `remote = "domain:192.0.2.1"`, `5:10: rule "a": remote: "192.0.2.1" is no name`, "without domain:"},
		{"out", `remote = "domain:https://example.org/x"`, `5:10: rule "a": remote: "https://example.org/x" is no name`, "the name alone"},
		{"out", `remote = "domain:www.*.org"`, `5:10: rule "a": remote: "www.*.org" is no name`, "at the beginning"},
		{"in", `remote = "country:CN"`, `5:10: rule "a": remote: "country:CN" needs a database of countries`, ""},
		{"in", `remote = "10.0.0.1/8"`, `5:10: rule "a": remote: "10.0.0.1/8" has host bits set`, `"10.0.0.0/8"`},
		{"in", `remote = "2001:db8::1/32"`, `5:10: rule "a": remote: "2001:db8::1/32" has host bits set`, `"2001:db8::/32"`},
		{"in", `remote = "10.0.0.0/33"`, `5:10: rule "a": remote: "10.0.0.0/33" is no prefix`, "0 to 32"},
		{"in", `remote = "10.0.0.0/255.0.0.0"`, `5:10: rule "a": remote: "10.0.0.0/255.0.0.0" is no prefix`, `"10.0.0.0/8"`},
		{"in", `remote = "10.0.0.9-10.0.0.1"`, `5:10: rule "a": remote: range "10.0.0.9-10.0.0.1" begins above its end`, `"10.0.0.1-10.0.0.9"`},
		{"in", `remote = "10.0.0.9-fd00::1"`, `5:10: rule "a": remote: range "10.0.0.9-fd00::1" has ends of two families`, ""},
		{"in", `remote = "::ffff:10.0.0.1"`, `5:10: rule "a": remote: "::ffff:10.0.0.1" is an IPv4 address written as IPv6`, `"10.0.0.1"`},
		{"in", `remote = "::ffff:10.0.0.0/104"`, `5:10: rule "a": remote: "::ffff:10.0.0.0" is an IPv4 address written as IPv6`, `"10.0.0.0"`},
		{"in", `remote = "fe80::1%eth0"`, `5:10: rule "a": remote: "fe80::1%eth0" has a zone`, "interface"},
		{"in", `remote = ["10.0.0.1", "@lna"]`, `5:23: rule "a": remote: unknown list "@lna"`, `"@lan"`},
		{"in", `remote = "lan"`, `5:10: rule "a": remote: "lan" is no address`, `"@lan"`},
		{"in", `remote = ["10.0.0.0/8", "!10.0.0.0/7"]`, `5:10: rule "a": remote: the exclusions leave no address, so the rule can never match`, ""},
		{"in", `remote = ["@lan", "!@lan"]`, `5:10: rule "a": remote: the exclusions leave no address, so the rule can never match`, ""},
		{"in", `remote = ["!0.0.0.0/0", "!::/0"]`, `5:10: rule "a": remote: the exclusions leave no address, so the rule can never match`, ""},
		{"in", `remote = []`, `5:10: rule "a": remote: the list is empty`, ""},
		{"in", `remote = 10`, `5:10: rule "a": remote: an address is wanted here, not a number`, ""},
		{"in", "remote = \"10.0.0.1\"\nlocal = \"fd00::1\"", `6:9: rule "a": local: the rule can never match: remote has IPv4 addresses only and local has IPv6 addresses only`, ""},
		{"in", "protocol = \"icmpv6\"\nremote = \"10.0.0.1\"", `6:10: rule "a": remote: the rule can never match: remote has IPv4 addresses only, and icmpv6 is not spoken over IPv4`, ""},

		{"in", `from = "10.0.0.1"`, `5:1: rule "a": from: the key belongs to direction "forward"`, "remote"},
		{"both", `out_interface = "eth0"`, `5:1: rule "a": out_interface: the key belongs to direction "forward"`, "interface"},
		{"forward", `remote = "10.0.0.1"`, `5:1: rule "a": remote: a forwarded packet has no end on this machine`, "from or to"},
		{"forward", `interface = "eth0"`, `5:1: rule "a": interface: a forwarded packet has two interfaces`, "in_interface"},
		{"in", `interface = "*"`, `5:13: rule "a": interface: "*": a '*' alone is every interface; leave the key out instead`, ""},
		{"in", `interface = ["eth0", "averylonginterface"]`, `5:22: rule "a": interface: "averylonginterface": a name has at most 15 characters`, ""},
		{"in", `interface = 0`, `5:13: rule "a": interface: the name of an interface is wanted here, not a number`, ""},

		{"in", `user = "alice"`, `5:1: rule "a": user: only a packet that goes out has an owner; the rule's direction is "in"`, `"out"`},
		{"both", `group = 5`, `5:1: rule "a": group: only a packet that goes out has an owner; the rule's direction is "both"`, ""},
		{"forward", `group = 5`, `5:1: rule "a": group: only a packet that goes out has an owner; the rule's direction is "forward"`, ""},
		{"out", `user = "alcie"`, `5:8: rule "a": user: unknown user "alcie"`, `"alice"`},
		{"out", `group = ["root", "whel"]`, `5:18: rule "a": group: unknown group "whel"`, `"wheel"`},
		{"out", `user = -1`, `5:8: rule "a": user: -1 is no number of an account`, ""},
		{"out", `user = 4294967295`, `5:8: rule "a": user: 4294967295 is no number of an account`, ""},

		{"in", `schedule = "always"`, `5:12: rule "a": schedule: a table is wanted here, not a string`, "days"},
		{"in", `schedule = { from = "22:00" }`, `5:12: rule "a": schedule.to: from is there without to`, ""},
		{"in", `schedule = { to = "22:00" }`, `5:12: rule "a": schedule.from: to is there without from`, ""},
		{"in", `schedule = { from = "22:00", to = "22:00" }`, `5:21: rule "a": schedule.from: from and to are the same time; leave both out for the whole day`, ""},
		{"in", `schedule = { from = "24:00", to = "22:00" }`, `5:21: rule "a": schedule.from: "24:00" ends a day`, ""},
		{"in", `schedule = { from = "9:00", to = "22:60" }`, `5:21: rule "a": schedule.from: "9:00" is no time of day`, "two digits"},
		{"in", `schedule = { from = 22:00:00, to = "22:00" }`, `5:21: rule "a": schedule.from: a time of day is wanted here, not a time`, "quotation marks"},
		{"in", `schedule = { days = ["mon", "tues"] }`, `5:29: rule "a": schedule.days: unknown day "tues"`, `"tue"`},
		{"in", `schedule = { days = "monday" }`, `5:21: rule "a": schedule.days: unknown day "monday"`, `"mon"`},
		{"in", `schedule = { days = [] }`, `5:21: rule "a": schedule.days: the list is empty`, ""},
		{"in", `schedule = { "ü" = 1, days = "x" }`, `5:30: rule "a": schedule.days: unknown day "x"`, ""},
		{"in", `schedule = { day = "mon" }`, `5:14: rule "a": schedule.day: unknown key "day"`, `"days"`},
		{"in", `schedule = { }`, `5:12: rule "a": schedule: the schedule says nothing`, ""},
		{"in", `until = 2027-01-01`, `5:9: rule "a": until: a date and time is wanted here, not a date`, "2027-01-01T00:00:00"},
		{"in", `until = "2027-01-01T00:00:00"`, `5:9: rule "a": until: a date and time is wanted here, not a string`, "without quotation marks"},
		{"in", `until = 10:00:00`, `5:9: rule "a": until: a date and time is wanted here, not a time`, ""},
		{"in", `limit = "10/minute"`, `5:9: rule "a": limit: a table is wanted here, not a string`, `{ rate = "10/minute"`},
		{"in", `limit = { burst = 5 }`, `5:9: rule "a": limit.rate: the key "rate" is missing`, `rate = "10/minute"`},
		{"in", `limit = { rate = "10/minute", burst = 0 }`, `5:39: rule "a": limit.burst: 0 is not between 1 and 4294967295`, ""},
		{"in", `limit = { rate = "10/minute", per = "source" }`, `5:37: rule "a": limit.per: unknown word "source"`, `"remote"`},
		{"in", `limit = { rate = "10/minute", brust = 5 }`, `5:31: rule "a": limit.brust: unknown key "brust"`, `"burst"`},
		{"in", `limit = { rate = "0/minute" }`, `5:18: rule "a": limit.rate: a rate of 0 lets nothing through`, ""},
		{"in", `limit = { rate = "10/minutes" }`, `5:18: rule "a": limit.rate: unknown unit "minutes"`, `"minute"`},
		{"in", `limit = { rate = "10 per minute" }`, `5:18: rule "a": limit.rate: "10 per minute" is no rate`, `write "10/minute"`},
		{"in", `limit = { rate = 10 }`, `5:18: rule "a": limit.rate: a rate like "10/minute" is wanted here, not a number`, ""},
		{"in", `limit = { rate = "unlimited" }`, `5:18: rule "a": limit.rate: there is nothing to count at a rate without limit`, "leave"},
		{"in", `limit = { rate = "20000000/second" }`, `5:18: rule "a": limit.rate: 20000000/second is more than 10000000/second`, ""},
		{"in", `limit = { rate = "1/day", burst = 366 }`, `5:35: rule "a": limit.burst: at 1/day a burst of 366 takes more than a year to come back`, ""},
		{"in", `max_connections = 20`, `5:19: rule "a": max_connections: a table is wanted here, not a number`, "count = 20"},
		{"in", `max_connections = { count = 0 }`, `5:29: rule "a": max_connections.count: 0 is not between 1 and 2147483647`, ""},
		{"in", `max_connections = { per = "remote" }`, `5:19: rule "a": max_connections.count: the key "count" is missing`, ""},
		{"in", `max_connections = { count = 20 }`, `5:19: rule "a": max_connections: a rule that blocks opens no connections that could be counted`, `"allow"`},
		{"in", `ban = { for = "15m" }`, `5:7: rule "a": ban.over: the key "over" is missing`, ""},
		{"in", `ban = { over = "6/minute" }`, `5:7: rule "a": ban.for: the key "for" is missing`, ""},
		{"in", `ban = { over = "6/minute", for = "15" }`, `5:34: rule "a": ban.for: "15" is no length of time`, `"15m"`},
		{"in", `ban = { over = "6/minute", for = "0s" }`, `5:34: rule "a": ban.for: 0s is not one second or several`, ""},
		{"in", `ban = { over = "6/minute", for = "500ms" }`, `5:34: rule "a": ban.for: 500ms is not one second or several`, ""},
		{"in", `ban = { over = "6/minute", for = "400d" }`, `5:34: rule "a": ban.for: 400d is more than a year`, ""},
		{"in", `ban = { over = "unlimited", for = "15m" }`, `5:16: rule "a": ban.over: there is nothing to count at a rate without limit`, ""},
		{"in", "log = true\nlog = false", `6:1: rule "a": log: the key is set twice (first at line 5)`, ""},
	} {
		text := inRule(c.direction, c.lines)
		if c.direction == "forward" {
			text += "[default]\nforward = \"block\"\n"
		}
		told(t, c.lines, refused(t, text).All(), c.want, c.hint)
	}
}

// told expects a problem at its place among all, with a hint.
func told(t *testing.T, about string, all []Problem, want, hint string) {
	t.Helper()
	i := -1
	for j, p := range all {
		if place(p) == want {
			i = j
		}
	}
	if i < 0 {
		t.Errorf("%s\n got %v\nwant %s", about, all, want)
	} else if !strings.Contains(all[i].Hint, hint) {
		t.Errorf("%s: hint %q, want %s in it", about, all[i].Hint, hint)
	}
}

func TestMistakesOfAFile(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{"[defualt]", `1:2: defualt: unknown table "defualt"`, "[default]"},
		{"[[rules]]", `1:3: rules: unknown table "rules"`, "[[rule]]"},
		{"[bna]", `1:2: bna: unknown table "bna"`, "[ban]"},
		{"inbound = \"block\"", `1:1: inbound: unknown key "inbound"`, "[default]"},
		{"[rule]\nname = \"a\"", `1:1: [rule] with one bracket is one table; there can be many`, "[[rule]]"},
		{"[[default]]", `1:1: default: a table is wanted here, not a list of tables`, "[default]"},
		{"rule = 5", `1:8: rule: a table is wanted here, not a number`, "[[rule]]"},
		{"[default]\ninbound = \"drop\"", `2:11: [default] inbound: unknown word "drop"`, `"block"`},
		{"[default]\nforward = \"yes\"", `2:11: [default] forward: unknown word "yes"`, `"ignore"`},
		{"[default]\noutbound = true", `2:12: [default] outbound: one of "allow", "block", "reject" is wanted here, not a boolean`, ""},
		{"[default]\ninput = \"block\"", `2:1: [default] input: unknown key "input"`, `"inbound"`},
		{"[default]\n[default]", `2:2: [default]: the table is there twice`, "line 1"},

		{"[log]\nmax_rate = \"50/s\"", `2:12: [log] max_rate: unknown unit "s"`, `"second"`},
		{"[log]\nmax_rate = \"unlimted\"", `2:12: [log] max_rate: "unlimted" is no rate`, `"unlimited"`},
		{"[log]\nmax_rate = \"0/hour\"", `2:12: [log] max_rate: a rate of 0 lets nothing through`, ""},
		{"[log]\nmax_rate = \"99999999999/hour\"", `2:12: [log] max_rate: 99999999999 is more than 4294967295`, ""},
		{"[log]\nmax_rate = 50", `2:12: [log] max_rate: a rate like "50/second" is wanted here, not a number`, ""},
		{"[log]\nmax_size = \"64\"", `2:12: [log] max_size: unknown unit "" of a size`, "MiB"},
		{"[log]\nmax_size = \"big\"", `2:12: [log] max_size: "big" is no size`, "64MiB"},
		{"[log]\nmax_size = \"1KiB\"", `2:12: [log] max_size: 1KiB is less than 4KiB`, ""},
		{"[log]\nmax_size = \"99999999999TiB\"", `2:12: [log] max_size: 99999999999TiB is more than any disk holds`, ""},
		{"[log]\ngroup = 0", `2:9: [log] group: 0 is not between 1 and 65534`, ""},
		{"[log]\ngroup = 65534\n[[rule]]\nname = \"x\"\naction = \"block\"\ndirection = \"out\"\nremote = \"domain:example.com\"",
			`2:9: [log] group: a rule names a domain, for which group + 2 is used, and there is no group 65536`, "choose a smaller one"},
		{"[log]\ngroup = 65535", `2:9: [log] group: 65535 is not between 1 and 65534`, ""},
		{"[log]\nkeep = -1", `2:8: [log] keep: -1 is not between 0 and 10000`, ""},
		{"[log]\nkeep = \"8\"", `2:8: [log] keep: a whole number is wanted here, not a string`, ""},
		{"[log]\nfile = \"audit.jsonl\"", `2:8: [log] file: "audit.jsonl" is no absolute path`, ""},
		{"[log]\nfiles = \"\"", `2:1: [log] files: unknown key "files"`, `"file"`},

		{"[list]\nlan = 5", `2:1: [list.lan]: a table is wanted here, not a number`, ""},
		{"[list.a]", `1:1: [list.a] entries: the key "entries" is missing`, "file"},
		{"[list.a]\nurl = \"https://x\"\nentries = []", `2:1: [list.a] url: a list is fetched, or has entries or a file, not both`, "two lists"},
		{"[list.a]\nurl = \"https://x\"\nfile = \"y\"", `2:1: [list.a] url: a list is fetched, or has entries or a file, not both`, "two lists"},
		{"[list.a]\nentries = []\nrefresh = \"1h\"", `3:1: [list.a] refresh: only a list that is fetched has this`, "url"},
		{"[list.a]\nentries = []\ninsecure = true", `3:1: [list.a] insecure: only a list that is fetched has this`, "url"},
		{"[list.a]\nurl = 5", `2:7: [list.a] url: the address of a list on the net is wanted here, not a number`, "quotation"},
		{"[list.a]\nurl = \"\"", `2:7: [list.a] url: the URL is empty`, "https://"},
		{"[list.a]\nurl = \"example.org/list\"", `2:7: [list.a] url: "example.org/list" has no https:// before it`, "https://"},
		{"[list.a]\nurl = \"http://example.org/list\"", `2:7: [list.a] url: over http anybody on the way can change the list, and so who is let in and who is not`, "insecure = true"},
		{"[list.a]\nurl = \"ftp://example.org/list\"", `2:7: [list.a] url: unknown scheme "ftp"`, "https"},
		{"[list.a]\nurl = \"file:///etc/list\"", `2:7: [list.a] url: a list on this machine is not fetched`, `file = "/etc/list"`},
		{"[list.a]\nurl = \"https:list\"", `2:7: [list.a] url: "https:list" names no host`, "HOST"},
		{"[list.a]\nurl = \"https://x/#part\"", `2:7: [list.a] url: a part of a page is no list`, "#"},
		{"[list.a]\nurl = \"https://x:99999/\"", `2:7: [list.a] url: "99999" is no port`, "65535"},
		{"[list.a]\nurl = \"https://x:/\"", `2:7: [list.a] url: "x:" has a colon and no port after it`, "port"},
		{"[list.a]\nurl = \"https://user:secret@[x/\"", `2:7: [list.a] url: the URL cannot be read: missing ']' in host`, "HOST"},
		{"[list.a]\nurl = \"https://x\"\nrefresh = \"often\"", `3:11: [list.a] refresh: "often" is no duration`, `"6h"`},
		{"[list.a]\nurl = \"https://x\"\nrefresh = \"0s\"", `3:11: [list.a] refresh: a list cannot be fetched all the time`, `"6h"`},
		{"[list.a]\nurl = \"https://x\"\nrefresh = \"900d\"", `3:11: [list.a] refresh: "900d" is more than a year`, `"6h"`},
		{"[list.a]\nurl = \"https://x\"\nrefresh = 6", `3:11: [list.a] refresh: a duration is wanted here, not a number`, "quotation"},
		{"[list.a]\nurl = \"https://x\"\ninsecure = \"true\"", `3:12: [list.a] insecure: true or false is wanted here, not a string`, "without quotation"},
		{"[list.a]\nurl = \"https://x\"\nrefesh = \"6h\"", `3:1: [list.a] refesh: unknown key "refesh"`, `"refresh"`},
		{"[list.a]\nentries = []\nfile = \"x\"", `3:1: [list.a] file: a list has entries or a file, not both`, ""},
		{"[list.a]\nentries = [\"10.0.0.0/8\", \"x\"]", `2:26: [list.a] entries: "x" is no address`, ""},
		{"[list.a]\nentries = [\"@b\"]", `2:12: [list.a] entries: "@b": a list cannot hold another`, ""},
		{"[list.a]\nentries = [\"domain:example.org\"]", `2:12: [list.a] entries: "domain:example.org": a list has no names`, "remote ="},
		{"[list.a]\nentries = [\"!10.0.0.1\"]", `2:12: [list.a] entries: "!10.0.0.1": a list has no exclusions`, ""},
		{"[list.a]\nentries = [5]", `2:12: [list.a] entries: an address is wanted here, not a number`, ""},
		{"[list.a]\nfile = \"missing\"", `2:8: [list.a] file: /etc/pfw/missing does not exist`, ""},
		{"[list.a]\nfile = \"../shadow\"", `2:8: [list.a] file: /etc/shadow lies outside of the directories that pfw reads`, "/etc/pfw, /var/lib/pfw, /usr/share"},
		{"[list.a]\nfile = \"\"", `2:8: [list.a] file: the path is empty`, ""},
		{"[list.\"a b\"]\nentries = []", `1:7: [list.a b]: list name "a b": a name is 1 to 48 letters, digits, '.', '_' and '-', and starts with a letter or digit`, ""},

		{"[[rule]]\naction = \"allow\"\ndirection = \"in\"", `1:1: [[rule]] name: the key "name" is missing`, ""},
		{"\n  [[rule]]\n  name = \"a\"\n  direction = \"in\"", `2:3: rule "a": action: the key "action" is missing`, `"allow"`},
		{"[[rule]]\nname = \"a\"\naction = \"allow\"", `1:1: rule "a": direction: the key "direction" is missing`, `"forward"`},
		{"[[rule]]\nname = \"A\"\naction = \"allow\"\ndirection = \"in\"", `2:8: rule "A": name: "A": a name is 1 to 48 of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit`, `"a"`},
		{"[[rule]]\nname = \"default\"\naction = \"allow\"\ndirection = \"in\"", `2:8: rule "default": name: "default" is taken by pfw itself`, ""},
		{"[[rule]]\nname = 5\naction = \"allow\"\ndirection = \"in\"", `2:8: [[rule]] name: a name is wanted here, not a number`, "quotation marks"},
		{inRule("in", "") + inRule("in", ""), `7:8: rule "a": name: name "a" is taken: the rule at /etc/pfw/firewall.toml:1 has it`, "unique"},
		{inRule("inn", ""), `4:13: rule "a": direction: unknown word "inn"`, `"in"`},
		{inRule("forward", ""), `4:13: rule "a": direction: a forward rule has no effect while [default] forward is "ignore"`, "[default] forward"},
		{"[[rule]]\nname = \"a\"\naction = \"accept\"\ndirection = \"in\"", `3:10: rule "a": action: unknown word "accept"`, `"allow"`},

		{"[[expect]]\nverdict = \"allow\"", `1:1: [[expect]] packet: the key "packet" is missing`, ""},
		{"[[expect]]\npacket = \"in tcp -> :22\"", `1:1: [[expect]] verdict: the key "verdict" is missing`, ""},
		{"[[expect]]\npacket = \"in tcp :22\"\nverdict = \"block\"", `2:10: [[expect]] packet: the packet has no arrow ->`, ""},
		{"[[expect]]\npacket = \"in tcp -> :22\"\nverdict = \"deny\"", `3:11: [[expect]] verdict: unknown word "deny"`, `"block"`},
		{"[[expect]]\npacket = \"in tcp -> :22\"\nverdict = \"block\"\nrule = \"defualt\"", `4:8: [[expect]] rule: unknown rule "defualt"`, `"default"`},
		{"[[expect]]\npackets = \"in tcp -> :22\"", `2:1: [[expect]] packets: unknown key "packets"`, `"packet"`},

		{"\xef\xbb\xbfx = 5", `1:1: x: unknown key "x"`, ""},
		{"[log]\r\nx = 5\r\n", `2:1: [log] x: unknown key "x"`, ""},
		{"rule = [5]", `1:9: rule: a table is wanted here, not a number`, "[[rule]]"},
		{"[list.\"\u202e\"]\nentries = []", `1:7: [list.\u202e]: list name "\u202e": a name is 1 to 48 letters, digits, '.', '_' and '-', and starts with a letter or digit`, ""},
		{"action = allow", `1:10: not valid TOML: unexpected character U+0061 'a' at start of value`, `"allow"`},
		{"a = \"x", `1:7: not valid TOML: basic strings cannot have new lines`, "quotation mark"},
		{"a = 1\nb = 2026-02-30T00:00:00", `2:5: not valid TOML: invalid datetime: "2026-02-30T00:00:00"`, ""},
		{"port: 22", `1:5: not valid TOML: expected '=' after key`, "equals sign"},
		{"port = [22\n[log]", `2:1: not valid TOML: expected ',' or ']' after array value`, ""},
		{"# ä\nä = 1", `2:1: not valid TOML: unexpected character 'ä'`, ""},
		{"ok = 1\n\xff", `2:1: the file is not UTF-8 text`, "UTF-8"},
		{"x = 99999999999999999999", `1:5: 99999999999999999999 is no whole number that fits 64 bits`, ""},
	} {
		text := c.text + "\n"
		told(t, c.text, refused(t, text).All(), c.want, c.hint)
	}
}

func TestHintsForTextThatIsNoTOML(t *testing.T) {
	for text, want := range map[string]string{
		`action = allow`: `put it in quotation marks: "allow"`, `remote = 10.0.0.0/8 # x`: `put it in quotation marks: "10.0.0.0/8"`,
		`port = 80-90`: `put it in quotation marks: "80-90"`, `port = [ssh, 22]`: "put text in quotation marks", `port = [22 23]`: "comma",
		`port = 22, 23`: "[22, 80]", `port = "22", "23"`: `["ssh", "http"]`, `enabled = Yes`: "write true or false", `x = "a\qb"`: "backslash",
		`x = `: "write a value", `x = "a`: "quotation mark is missing", `= 5`: "write a key", `name: "x"`: "equals sign", `[[rule]`: "header",
		"x = [1,\ny": "closed", "x = [1\ny = 2": "closed",
	} {
		p := refused(t, text).Problems
		if len(p) != 1 || !strings.Contains(p[0].Hint, want) {
			t.Errorf("%s: %v: hint %q, want %q", text, p, p[0].Hint, want)
		}
	}
}

func TestLongLinesAreCut(t *testing.T) {
	p := refused(t, "[list.x]\nentries = ["+strings.Repeat("\"10.0.0.1\", ", 1000)+"\"ü\", "+strings.Repeat("\"10.0.0.1\", ", 1000)+"]\n").Problems[0]
	lines := strings.Split(p.Text(), "\n")
	text, caret := []rune(lines[1]), len(lines[2])-1
	if len(text) > 4+shown+2 || string(text[caret:caret+3]) != `"ü"` || text[4] != '…' || text[len(text)-1] != '…' {
		t.Errorf("%s", p.Text())
	}
	long := strings.Repeat("ä", 100000)
	if text := refused(t, inRule("in", `remote = "`+long+`"`)).Error(); len(text) > 5000 {
		t.Errorf("a message of %d bytes", len(text))
	}
}

func TestManyMistakesAreBounded(t *testing.T) {
	p := refused(t, "[list.x]\nentries = ["+strings.Repeat("5,", 100000)+"]\n").Problems
	if len(p) != most+1 || p[most].Message != "there are more problems after this one" {
		t.Errorf("%d problems, the last is %s", len(p), p[len(p)-1])
	}
	if w := load(t, "[list.x]\nentries = ["+strings.Repeat(`"10.0.0.1",`, 100000)+"]\n").Warnings; len(w) != most {
		t.Errorf("%d warnings", len(w))
	}
}

// A word of a message that came from a file reaches a terminal harmless.
func TestNoControlCharacterReachesATerminal(t *testing.T) {
	nasty := "\\u001b[31m\\u202e\\u009b\\u0007"
	for _, text := range []string{
		"[\"" + nasty + "\"]", "\"" + nasty + "\" = 1", inRule("in", "remote = \""+nasty+"\""), inRule("in", "\""+nasty+"\" = 1"),
		inRule("in", "port = \""+nasty+"\""), inRule("in", "interface = \""+nasty+"\""), inRule("in", "schedule = {days = \""+nasty+"\"}"),
		"[list.\"" + nasty + "\"]\nfile = \"" + nasty + "\"", "[[rule]]\nname = \"" + nasty + "\"", "[log]\nfile = \"" + nasty + "\"",
		"[log]\nmax_rate = \"" + nasty + "\"", "[[expect]]\npacket = \"" + nasty + "\"\nverdict = \"" + nasty + "\"\nrule = \"" + nasty + "\"",
		"x = \x1b", "x = \"\xc2\x9b\"\ny = ", "# \x1b[31m\nx = 5",
	} {
		for _, r := range refused(t, text).Error() {
			if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e) {
				t.Errorf("%q: %q in the message", text, r)
				break
			}
		}
	}
}

func TestAllErrorsOfAllFilesAtOnce(t *testing.T) {
	bad := refused(t, "[default]\ninbound = \"x\"\n"+inRule("in", "port = 0\nuser = 5"),
		"/etc/pfw/firewall.d/20-b.toml", "[[rule", "/etc/pfw/firewall.d/10-a.toml", "[log]\n"+inRule("out", "nope = 1"),
		"/etc/pfw/firewall.d/notes.txt", "not a rule file", "/etc/pfw/firewall.d/.hidden.toml", "nor this")
	var got []string
	for _, p := range bad.Problems {
		got = append(got, fmt.Sprintf("%s:%d %s", strings.TrimPrefix(p.File, "/etc/pfw/"), p.Line, p.Key))
	}
	want := "firewall.toml:2 inbound, firewall.toml:7 port, firewall.toml:8 user, firewall.d/10-a.toml:1 , firewall.d/10-a.toml:3 name, firewall.d/10-a.toml:6 nope, firewall.d/20-b.toml:1 "
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if bad.ExpectationOnly() {
		t.Error("taken for a failed expectation")
	}
}
