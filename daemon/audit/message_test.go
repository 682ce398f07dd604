package audit

import (
	"net/netip"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
)

func with(e Entry, change func(*Entry)) Entry {
	change(&e)
	return e
}

func TestMessageReadsLikeASentence(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::7")
	for _, c := range []struct {
		want  string
		entry Entry
	}{
		{"BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet-smtp", telnet()},
		{"BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet-smtp over=limit", with(telnet(), func(e *Entry) { e.PFW.Over = "limit" })},
		{"REJECTED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet-smtp", with(telnet(), func(e *Entry) { e.PFW.Action = "reject" })},
		{"CUT in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet-smtp", with(telnet(), func(e *Entry) { e.EventType = Cut })},
		{"BLOCKED in tcp [2001:db8::7]:40312 -> [2001:db8::7]:23 eth0 rule=no-telnet-smtp", with(telnet(), func(e *Entry) { e.SrcIP, e.DestIP = Host(v6), v6 })},
		{"BLOCKED forward tcp 203.0.113.7:40312 -> 192.0.2.10:23 from eth0 to eth1 rule=no-telnet-smtp", with(telnet(), func(e *Entry) { e.Direction, e.OutIface = "forward", "eth1" })},
		{"ALLOWED out icmpv6/echo-request 2001:db8::1 -> 2001:db8::2 wlan0 rule=default", ping()},
		{"ALLOWED out icmpv6/139 2001:db8::1 -> 2001:db8::2 wlan0 rule=default", with(ping(), func(e *Entry) { e.ICMPType.V = 139 })},
		{"ALLOWED out icmp/echo-request 2001:db8::1 -> 2001:db8::2 wlan0 rule=default", with(ping(), func(e *Entry) { e.Proto, e.ICMPType.V = "ICMP", 8 })},
		{"ALLOWED out gre 2001:db8::1 -> ? wlan0 rule=default", with(ping(), func(e *Entry) { e.Proto, e.ICMPType, e.DestIP = "GRE", Opt[uint8]{}, netip.Addr{} })},
		{"SUPPRESSED 120 packets over the log cap in rule=ssh since 2026-11-21T19:22:14Z", Entry{EventType: Suppressed, Direction: "in", PFW: PFW{Rule: "ssh", Count: 120, Since: at}}},
		{"LOST 1 packet rule=ssh since 2026-11-21T19:22:14Z: file: no space left", Entry{EventType: Lost, PFW: PFW{Rule: "ssh", Count: 1, Since: at, Reason: "file: no space left"}}},
		{"LOST 3 packets", Entry{EventType: Lost, PFW: PFW{Count: 3}}},
		{"BANNED 2001:db8::/64 rule=ssh until 2026-11-21T20:22:14Z: too fast", Entry{EventType: Ban, SrcIP: netip.PrefixFrom(netip.MustParseAddr("2001:db8::"), 64), PFW: PFW{Rule: "ssh", Until: at.Add(time.Hour), Reason: "too fast"}}},
		{"UNBANNED 203.0.113.7: by hand", Entry{EventType: Unban, SrcIP: telnet().SrcIP, PFW: PFW{Reason: "by hand"}}},
		{"RELOAD generation=5: 12 rules", Entry{EventType: Reload, PFW: PFW{Generation: 5, Reason: "12 rules"}}},
		{"TAMPER: chain input was deleted", Entry{EventType: Tamper, PFW: PFW{Reason: "chain input was deleted"}}},
		{"PANIC: on for 5m", Entry{EventType: Panic, PFW: PFW{Reason: "on for 5m"}}},
		{`PANIC: two\u000alines and \u001b[31mred`, Entry{EventType: Panic, PFW: PFW{Reason: "two\nlines and \x1b[31mred"}}},
		{`BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 e\u001b[2J rule=no-telnet-smtp`, with(telnet(), func(e *Entry) { e.InIface = "e\x1b[2J" })},
		{"BLOCKED 1,234,567 more in the last second in rule=ssh (the audit file has each)", Entry{Timestamp: at, EventType: Drop, Direction: "in", PFW: PFW{Rule: "ssh", Action: "block", Count: 1234567, Since: at.Add(-1400 * time.Millisecond), Reason: "the audit file has each"}}},
		{"REJECTED 51 more in the last 12s out rule=ssh (why)", Entry{Timestamp: at, EventType: Drop, Direction: "out", PFW: PFW{Rule: "ssh", Action: "reject", Count: 51, Since: at.Add(-12 * time.Second), Reason: "why"}}},
		{"BANNED 2,007 more in the last second (why)", Entry{Timestamp: at, EventType: Ban, PFW: PFW{Count: 2007, Since: at, Reason: "why"}}},
		{"ALERT in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet-smtp: ET SCAN", with(telnet(), func(e *Entry) { e.EventType, e.PFW.Reason = Alert, "ET SCAN" })},
	} {
		if got := c.entry.Message(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestPriority(t *testing.T) {
	for _, c := range []struct {
		event    EventType
		severity string
		want     journal.Priority
	}{
		{Drop, "low", journal.PriInfo}, {Drop, "medium", journal.PriNotice}, {Drop, "high", journal.PriWarning}, {Drop, "", journal.PriInfo},
		{Allow, "low", journal.PriInfo}, {Tamper, "", journal.PriWarning}, {Lost, "low", journal.PriWarning}, {Panic, "", journal.PriWarning},
		{Reload, "", journal.PriNotice}, {Ban, "", journal.PriNotice}, {Cut, "", journal.PriNotice}, {Suppressed, "low", journal.PriInfo},
	} {
		e := Entry{EventType: c.event, PFW: PFW{Severity: c.severity, Count: 1}}
		if got := e.Priority(); got != c.want {
			t.Errorf("%s of severity %q has priority %d, want %d", c.event, c.severity, got, c.want)
		}
	}
}

func TestJournalFields(t *testing.T) {
	e := telnet()
	want := map[string]string{
		"SYSLOG_IDENTIFIER": "pfwd", "PFW_SEQ": "123", "PFW_EVENT_TYPE": "drop", "PFW_DIRECTION": "in", "PFW_IN_IFACE": "eth0", "PFW_PROTO": "TCP",
		"PFW_SRC_IP": "203.0.113.7", "PFW_SRC_PORT": "40312", "PFW_DEST_IP": "192.0.2.10", "PFW_DEST_PORT": "23", "PFW_COMMUNITY_ID": "1:abc=",
		"PFW_TCP_FLAGS": "S", "PFW_PACKET_LEN": "60", "PFW_ACTION": "block", "PFW_RULE": "no-telnet-smtp",
		"PFW_REASON": "rule no-telnet-smtp blocks tcp port 23", "PFW_SEVERITY": "high", "PFW_UID": "1000", "PFW_USER": "alice", "PFW_PID": "4242",
		"PFW_EXE": "/usr/bin/telnet", "PFW_UNIT": "session-3.scope",
	}
	if d := cmp.Diff(want, e.Fields()); d != "" {
		t.Error(d)
	}
	e = ping()
	if got := e.Fields(); got["PFW_UID"] != "0" || got["PFW_ICMP_CODE"] != "0" || got["PFW_OUT_IFACE"] != "wlan0" {
		t.Errorf("uid 0, code 0 or the interface is missing: %v", got)
	}
	e = Entry{EventType: Ban, PFW: PFW{Until: at, Count: 5}}
	if got := e.Fields(); got["PFW_UNTIL"] != "2026-11-21T19:22:14.123456Z" || got["PFW_COUNT"] != "5" {
		t.Errorf("until or count is missing: %v", got)
	}
}
