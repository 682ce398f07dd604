package audit

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var at = time.Date(2026, 11, 21, 19, 22, 14, 123456000, time.UTC)

func telnet() Entry {
	return Entry{
		Timestamp: at, Seq: 123, EventType: Drop, Direction: "in", InIface: "eth0", Proto: "TCP",
		SrcIP: Host(netip.MustParseAddr("203.0.113.7")), SrcPort: Known[uint16](40312),
		DestIP: netip.MustParseAddr("192.0.2.10"), DestPort: Known[uint16](23), CommunityID: "1:abc=", TCPFlags: 2, PacketLen: 60,
		PFW: PFW{
			Action: "block", Rule: "no-telnet-smtp", Reason: "rule no-telnet-smtp blocks tcp port 23", Severity: "high",
			UID: Known[uint32](1000), User: "alice", PID: 4242, Exe: "/usr/bin/telnet", Unit: "session-3.scope",
		},
	}
}

func ping() Entry {
	return Entry{
		Timestamp: at, Seq: 4, EventType: Allow, Direction: "out", OutIface: "wlan0", Proto: "IPv6-ICMP",
		SrcIP: Host(netip.MustParseAddr("2001:db8::1")), DestIP: netip.MustParseAddr("2001:db8::2"),
		ICMPType: Known[uint8](128), ICMPCode: Known[uint8](0), PacketLen: 104,
		PFW: PFW{Action: "allow", Rule: "default", UID: Known[uint32](0)},
	}
}

var golden = []struct {
	name  string
	entry Entry
	line  string
}{
	{"drop", telnet(), `{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":123,"event_type":"drop","direction":"in","in_iface":"eth0",` +
		`"proto":"TCP","src_ip":"203.0.113.7","src_port":40312,"dest_ip":"192.0.2.10","dest_port":23,"community_id":"1:abc=",` +
		`"tcp_flags":"S","packet_len":60,` +
		`"pfw":{"action":"block","rule":"no-telnet-smtp","reason":"rule no-telnet-smtp blocks tcp port 23","severity":"high",` +
		`"uid":1000,"user":"alice","pid":4242,"exe":"/usr/bin/telnet","unit":"session-3.scope"}}`},
	{"uid 0 and ICMP code 0 are values", ping(), `{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":4,"event_type":"allow","direction":"out",` +
		`"out_iface":"wlan0","proto":"IPv6-ICMP","src_ip":"2001:db8::1","dest_ip":"2001:db8::2","icmp_type":128,"icmp_code":0,"packet_len":104,` +
		`"pfw":{"action":"allow","rule":"default","uid":0}}`},
	{"suppressed", Entry{Timestamp: at, Seq: 5, EventType: Suppressed, Direction: "in", PFW: PFW{Rule: "default", Count: 123, Since: at.Add(-time.Second)}},
		`{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":5,"event_type":"suppressed","direction":"in",` +
			`"pfw":{"rule":"default","count":123,"since":"2026-11-21T19:22:13.123456Z"}}`},
	{"over a limit", with(ping(), func(e *Entry) {
		e.EventType, e.PFW = Drop, PFW{Action: "block", Rule: "ping", Severity: "low", Over: "limit"}
	}),
		`{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":4,"event_type":"drop","direction":"out",` +
			`"out_iface":"wlan0","proto":"IPv6-ICMP","src_ip":"2001:db8::1","dest_ip":"2001:db8::2","icmp_type":128,"icmp_code":0,"packet_len":104,` +
			`"pfw":{"action":"block","rule":"ping","severity":"low","over":"limit"}}`},
	{"ban of a prefix", Entry{Timestamp: at, Seq: 6, EventType: Ban, SrcIP: netip.MustParsePrefix("2001:db8::/64"), PFW: PFW{Rule: "ssh", Reason: `"too" fast`, Until: at.Add(time.Hour)}},
		`{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":6,"event_type":"ban","src_ip":"2001:db8::/64",` +
			`"pfw":{"rule":"ssh","reason":"\"too\" fast","until":"2026-11-21T20:22:14.123456Z"}}`},
	{"reload", Entry{Timestamp: at.In(time.FixedZone("", 7200)), Seq: 7, EventType: Reload, PFW: PFW{Reason: "12 rules -> 13 rules", Generation: 9}},
		`{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":7,"event_type":"reload","pfw":{"reason":"12 rules -> 13 rules","generation":9}}`},
	{"reload of a text with quotes", Entry{Timestamp: at, Seq: 7, EventType: Reload, PFW: PFW{Reason: `refused: "in tcp -> :22" <ü> & more`}},
		`{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":7,"event_type":"reload","pfw":{"reason":"refused: \"in tcp -> :22\" <ü> & more"}}`},
	{"alert", Entry{Timestamp: at, Seq: 9, EventType: Alert, Direction: "in", SrcIP: Host(netip.MustParseAddr("203.0.113.7")),
		Signature: &Signature{ID: 1, GID: 1000, Rev: 1, Text: "port scan", Category: "Network Scan", Severity: 2, Action: "blocked"}, PFW: PFW{Reason: "23 refused ports"}},
		`{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":9,"event_type":"alert","direction":"in","src_ip":"203.0.113.7",` +
			`"alert":{"signature_id":1,"gid":1000,"rev":1,"signature":"port scan","category":"Network Scan","severity":2,"action":"blocked"},` +
			`"pfw":{"reason":"23 refused ports"}}`},
	{"port 0 of a crafted packet", Entry{Timestamp: at, Seq: 8, EventType: Drop, Proto: "UDP", SrcPort: Known[uint16](0)},
		`{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":8,"event_type":"drop","proto":"UDP","src_port":0,"pfw":{}}`},
}

func TestLineOfTheFile(t *testing.T) {
	for _, c := range golden {
		t.Run(c.name, func(t *testing.T) {
			if got := string(c.entry.AppendJSON(nil)); got != c.line {
				t.Errorf("got  %s\nwant %s", got, c.line)
			}
			var back Entry
			if err := json.Unmarshal([]byte(c.line), &back); err != nil {
				t.Fatal(err)
			}
			want := c.entry
			want.Timestamp = want.Timestamp.UTC()
			if d := cmp.Diff(want, back, equalNet, equalPrefix); d != "" {
				t.Error("read back:", d)
			}
		})
	}
}

var equalNet = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// equalPrefix stands beside equalNet as a Prefix has fields of its own.
var equalPrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func anyEntry(t *rapid.T) Entry {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[a-z0-9<>&"\\/ .-]{1,20}`))
	// what is not UTF-8 comes back as U+FFFD, so it is no case for a round trip
	word := func(label string) string { return strings.ToValidUTF8(text.Draw(t, label), "") }
	moment := func(label string) time.Time {
		if rapid.Bool().Draw(t, "no "+label) {
			return time.Time{}
		}
		return time.UnixMicro(rapid.Int64Range(1, 250000000000000000).Draw(t, label)).UTC()
	}
	addr := func(label string) netip.Addr {
		bytes := rapid.SampledFrom([]int{4, 16}).Draw(t, label+" family")
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), bytes, bytes).Draw(t, label))
		return a
	}
	e := Entry{
		Timestamp: moment("timestamp"), Seq: rapid.Uint64Range(0, maxSeq).Draw(t, "seq"),
		EventType: EventType(rapid.IntRange(1, len(eventNames)-1).Draw(t, "type")), Direction: word("direction"), InIface: word("in"),
		OutIface: word("out"), Proto: word("proto"), CommunityID: word("community"), TCPFlags: TCPFlags(rapid.Byte().Draw(t, "flags")),
		SrcPort:  Opt[uint16]{rapid.Uint16().Draw(t, "port"), true},
		ICMPType: Opt[uint8]{rapid.Uint8().Draw(t, "icmp"), true}, PacketLen: rapid.IntRange(0, math.MaxUint16).Draw(t, "len"),
		PFW: PFW{
			Action: word("action"), Rule: word("rule"), Reason: word("reason"), Severity: word("severity"), Over: word("over"),
			UID: Opt[uint32]{rapid.Uint32().Draw(t, "uid"), true}, User: word("user"), PID: rapid.IntRange(0, 1<<22).Draw(t, "pid"),
			Exe: word("exe"), Unit: word("unit"), Count: rapid.Uint64().Draw(t, "count"), Since: moment("since"), Until: moment("until"),
			Generation: rapid.Uint64().Draw(t, "generation"),
		},
	}
	if rapid.Bool().Draw(t, "alert") {
		number := func(label string) uint32 { return rapid.Uint32().Draw(t, label) }
		e.Signature = &Signature{number("sid"), number("gid"), number("rev"), word("signature"), word("category"), number("alert severity"), word("alert action")}
	}
	if rapid.Bool().Draw(t, "addresses") {
		a := addr("src")
		e.SrcIP = netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
		e.DestIP = addr("dest")
	}
	return e
}

func TestAnyEntryIsReadBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyEntry(t)
		text := e.AppendJSON(nil)
		var back Entry
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		e.Timestamp = e.Timestamp.UTC()
		if d := cmp.Diff(e, back, equalNet, equalPrefix); d != "" {
			t.Fatalf("%s:\n%s", text, d)
		}
	})
}

func TestWhatIsNoEntryIsRefused(t *testing.T) {
	line := golden[0].line
	for _, c := range []struct{ name, line, want string }{
		{"no JSON", `{"timestamp":`, "unexpected end of JSON input"},
		{"no time", `{"seq":1,"event_type":"drop"}`, "timestamp: parsing time"},
		{"mad seq", strings.Replace(line, `"seq":123`, `"seq":18446744073709551615`, 1), "seq 18446744073709551615 is out of range"},
		{"unknown event", strings.Replace(line, `"drop"`, `"dorp"`, 1), `event_type: event type "dorp" is none of drop allow`},
		{"event of the zero value", strings.Replace(line, `"drop"`, `""`, 1), `event_type: event type "" is none of drop allow`},
		{"bad source", strings.Replace(line, `203.0.113.7`, `203.0.113`, 1), "src_ip: "},
		{"bad prefix", strings.Replace(line, `203.0.113.7`, `203.0.113.7/64`, 1), "src_ip: "},
		{"bad destination", strings.Replace(line, `192.0.2.10`, `here`, 1), "dest_ip: "},
		{"bad flags", strings.Replace(line, `"S"`, `"SX"`, 1), "tcp_flags: tcp flag 'X' is none of FSRPAUEC"},
		{"bad since", strings.Replace(line, `"uid"`, `"since":"x","uid"`, 1), "since: parsing time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e Entry
			if err := e.UnmarshalJSON([]byte(c.line)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestFieldsOfALaterVersionArePassedOver(t *testing.T) {
	var e Entry
	if err := e.UnmarshalJSON([]byte(strings.Replace(golden[0].line, `"pfw"`, `"alert":{"gid":1},"pfw"`, 1))); err != nil || e.Seq != 123 {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	e, buf := telnet(), make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { e.AppendJSON(buf) }); n != 0 {
		t.Errorf("%v allocations for one entry", n)
	}
}

func TestProtocolsAreSpelledAsInEVE(t *testing.T) {
	for number, want := range map[uint8]string{6: "TCP", 17: "UDP", 1: "ICMP", 58: "IPv6-ICMP", 132: "SCTP", 47: "GRE", 253: "253"} {
		if got := ProtoName(number); got != want {
			t.Errorf("%d is %s, want %s", number, got, want)
		}
	}
}

func TestWeight(t *testing.T) {
	for _, c := range []struct {
		entry Entry
		want  uint64
	}{
		{Entry{EventType: Drop}, 1},
		{Entry{EventType: Allow}, 1},
		{Entry{EventType: Suppressed, PFW: PFW{Count: 7}}, 7},
		{Entry{EventType: Lost, PFW: PFW{Count: 9}}, 9},
		{Entry{EventType: Cut, PFW: PFW{Rule: "ssh"}}, 0},
		{Entry{EventType: Ban, PFW: PFW{Rule: "ssh"}}, 0},
		{Entry{EventType: Reload}, 0},
	} {
		if got := c.entry.Weight(); got != c.want {
			t.Errorf("%s stands for %d packets, want %d", c.entry.EventType, got, c.want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, c := range golden {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, again Entry
		if e.UnmarshalJSON(data) != nil {
			return
		}
		e.Message()
		e.Fields()
		e.Priority()
		text := e.AppendJSON(nil)
		if err := again.UnmarshalJSON(text); err != nil {
			t.Fatalf("%q was read, but not what was written for it, %q: %v", data, text, err)
		}
		if d := cmp.Diff(e, again, equalNet, equalPrefix); d != "" {
			t.Fatalf("%q: %s", data, d)
		}
	})
}
