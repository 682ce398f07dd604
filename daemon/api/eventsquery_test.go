package api

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEventsQueryIsReadBackAsItWas(t *testing.T) {
	for _, text := range []string{
		"", "follow=1", "all=1&follow=1", "since=2026-11-21T19%3A22%3A14.5%2B02%3A00&until=2026-11-22T00%3A00%3A00Z", "limit=50",
		"action=block%2Creject&address=192.0.2.10&dest=192.0.2.10&dest_port=22&direction=in%2Cforward&event_type=drop%2Ccut&port=22%2C8000-8100&proto=tcp%2Cicmpv6%2C253&rule=a%2Cdefault&src=2001%3Adb8%3A%3A1%2C192.0.2.0-192.0.2.255&src_port=1024-65535",
	} {
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		q, err := readEventsQuery(values)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := q.values().Encode(); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
	}
}

// What a person may write for it.
func TestEventsQueryForms(t *testing.T) {
	for text, want := range map[string]string{
		"follow=true&all=0":                                  "follow=1",
		"rule=a&rule=b,c&rule=%20d":                          "rule=a%2Cb%2Cc%2Cd",
		"src=192.0.2.0/24&port=ssh&proto=6":                  "port=22&proto=tcp&src=192.0.2.0-192.0.2.255",
		"proto=TCP,Udp":                                      "proto=tcp%2Cudp",
		"src_ip=192.0.2.7&dst=192.0.2.10&dest_ip=192.0.2.11": "dest=192.0.2.11%2C192.0.2.10&src=192.0.2.7",
		"dest_port=23,ssh&src_port=1024-65535&ip=::1":        "address=%3A%3A1&dest_port=23%2C22&src_port=1024-65535",
		"protocol=TCP&event=drop":                            "event_type=drop&proto=tcp",
		// As an entry has its time, with a + that is not escaped.
		"since=2026-11-21T19:22:14.123456+0000": "since=2026-11-21T19%3A22%3A14.123456Z",
		"until=2026-11-21T19:22:14+01:00":       "until=2026-11-21T19%3A22%3A14%2B01%3A00",
	} {
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		q, err := readEventsQuery(values)
		if got := q.values().Encode(); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestEventsQueryThatIsWrong(t *testing.T) {
	path := start(t, &fake{}, newGate())
	c := NewClient(path)
	for _, x := range []struct{ query, detail, hint string }{
		{"folow=1", `unknown key "folow"`, `did you mean "follow"?`},
		{"rules=ssh", `unknown key "rules"`, `did you mean "rule"?`},
		{"follow=yes", "follow=yes: neither 1 nor 0", ""},
		{"follow=1&follow=0", "follow: given twice", ""},
		{"since=yesterday", "since=yesterday: no moment: write RFC 3339, like 2026-11-21T19:22:14Z, or how long ago it was: 90s, 15m, 2d", ""},
		{"until=2026-11-32", "until=2026-11-32: no moment: write RFC 3339, like 2026-11-21T19:22:14Z, or how long ago it was: 90s, 15m, 2d", ""},
		{"limit=0", "limit=0: not a number above zero", ""},
		{"limit=-1", "limit=-1: not a number above zero", ""},
		{"limit=many", "limit=many: not a number above zero", ""},
		{"rule=No+Rule", "rule: name \"No Rule\": a name is 1 to 48 of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit", ""},
		{"src=192.0.2.256", `src: "192.0.2.256" is no address`, `write an address, a prefix like "192.0.2.0/24" or a range like "192.0.2.1-192.0.2.9"`},
		{"dest=192.0.2.7/24", `dest: "192.0.2.7/24" has host bits set`, `write "192.0.2.0/24" for the network, or "192.0.2.7" for the one address`},
		{"port=shs", `port: unknown service "shs"`, `did you mean "ssh"?`},
		{"port=22,", `port: unknown service ""`, "write its port number"},
		{"direction=input", `direction: unknown direction "input"`, `did you mean "in"? valid: "in", "out", "forward"`},
		{"action=drop", `action: unknown action "drop"`, `did you mean "block"? valid: "allow", "block", "reject"`},
		{"proto=tpc", `proto: unknown protocol "tpc"`, `did you mean "tcp"? valid: "tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "ah", "igmp"`},
		{"event_type=dorp", `event_type: unknown event type "dorp"`, `did you mean "drop"?`},
		{"event_type=", `event_type: unknown event type ""`, `valid: "drop", "allow", "ban", "unban", "alert", "cut", "reload", "tamper", "panic", "suppressed", "lost"`},
		{"follow=1&until=2026-11-21T19:22:14Z", "follow and until do not go together", "leave one of them out"},
		{"rule=%zz", `invalid URL escape "%zz"`, ""},
	} {
		answer, err := c.ask(t.Context(), http.MethodGet, "events?"+x.query, nil)
		if err == nil {
			t.Errorf("%s is answered", x.query)
			answer.Close()
			continue
		}
		if p := problem(t, err); p.Status != 400 || p.Detail != x.detail || p.Hint != x.hint {
			t.Errorf("%s: %d %q, hint %q", x.query, p.Status, p.Detail, p.Hint)
		}
	}
}

func FuzzEventsQuery(f *testing.F) {
	f.Add("follow=1&all=1&rule=a,b&src=192.0.2.0/24&port=8000-8100&proto=tcp&event_type=drop")
	f.Add("since=2026-11-21T19:22:14.5%2B02:00&limit=7&dest=2001:db8::/32&direction=in&action=reject")
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := readEventsQuery(values)
		if err != nil {
			return
		}
		again, err := readEventsQuery(q.values())
		if d := cmp.Diff(q, again, same); err != nil || d != "" {
			t.Errorf("%q: %v\n%s", text, err, d)
		}
	})
}
