package daemon

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

const watching = `
[detect]
port_scan = { over = "10/minute", ban = "1h" }
syn_flood = { over = "50/second", ban = "10m" }
[[rule]]
name      = "web"
action    = "allow"
direction = "in"
protocol  = "tcp"
port      = [80, 22]
`

// alertOf reads what EVE says of an alert.
func alertOf(t *testing.T, e hosts.Entry) (a struct {
	ID       int    `json:"signature_id"`
	GID      int    `json:"gid"`
	Text     string `json:"signature"`
	Category string
	Severity int
	Action   string
}) {
	t.Helper()
	var v struct{ Alert json.RawMessage }
	if err := json.Unmarshal([]byte(e.Line), &v); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(v.Alert, &a); err != nil {
		t.Fatalf("%s: %v", e.Line, err)
	}
	return a
}

func isAlert(address string) func(hosts.Entry) bool {
	return func(e hosts.Entry) bool { return e.EventType == "alert" && e.SrcIP == address }
}

// knock asks for ports, one after the other.
func knock(t *testing.T, from *hosts.Host, address string, first, n int) {
	t.Helper()
	for i := range n {
		if c, err := from.Dial("tcp", fmt.Sprintf("%s:%d", address, first+i), 5*time.Millisecond); err == nil {
			c.Close()
			t.Fatalf("port %d is open", first+i)
		}
	}
}

func TestPortScanIsToldAndBanned(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, watching)
	s := stream(t, remote, local, "192.0.2.10:22")
	knock(t, remote, "192.0.2.10", 1000, 10)
	if !connects(t, remote, "192.0.2.10:80") {
		t.Fatal("banned for ten ports")
	}
	knock(t, remote, "192.0.2.10", 1003, 5)
	if !connects(t, remote, "192.0.2.10:80") {
		t.Fatal("banned for ports that were counted before")
	}
	knock(t, remote, "192.0.2.10", 2000, 1)
	e, err := d.WaitEntry(limit, isBan("ban", "192.0.2.7", "port scan: over 10 refused ports a minute"))
	if err != nil || e.PFW.Rule != "" {
		t.Error(err, e.Line)
	}
	if e, err = d.WaitEntry(limit, isAlert("192.0.2.7")); err != nil {
		t.Fatal(err)
	}
	a := alertOf(t, e)
	if a.ID != 1 || a.GID != 1000 || a.Text != "port scan" || a.Severity != 2 || a.Action != "blocked" || a.Category == "" ||
		e.PFW.Severity != "medium" || e.Direction != "in" || e.PFW.Reason != "11 refused ports within a minute: tcp 1000-1009, 2000" {
		t.Errorf("%+v in %s", a, e.Line)
	}
	if s.Alive(shortly) == nil {
		t.Error("an open connection goes on")
	}
	if connects(t, remote, "192.0.2.10:80") || !connects(t, remote, "[2001:db8::10]:80") {
		t.Error("it is not the remote that is banned")
	}
	// Over a crash, which leaves all in order, and a stop, with its reason.
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	if text := stderr(t, d); strings.Contains(text, "somebody else changed") {
		t.Errorf("what detectors fill is taken for tampering:\n%s", text)
	}
	before := bansOf(t, d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	if after := bansOf(t, d); len(after) != 1 || fmt.Sprint(texts(after)) != fmt.Sprint(texts(before)) {
		t.Errorf("%q, and before %q", texts(after), texts(before))
	}
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("not banned after a restart")
	}
	// It is counted; and nothing is once the file asks for nothing.
	if out := pfw(t, d, "rules", "--all"); !strings.Contains(out, "port_scan") || !strings.Contains(out, "syn_flood") {
		t.Error(out)
	}
	change(t, d, letIn)
	if out := table(t, local); strings.Contains(out, "detect") || strings.Contains(out, "knocked") {
		t.Errorf("something of the detectors is left:\n%s", out)
	}
}

// Who is logged in is not banned for good, and is told of twice and no more.
func TestWhoIsLoggedInIsPardoned(t *testing.T) {
	becomeSSHServer(t)
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, watching+"[[rule]]\nname = \"hasty\"\naction = \"allow\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = 81\nban = { over = \"3/minute\", for = \"1h\" }\n")
	s := stream(t, remote, local, "192.0.2.10:22")
	listen(t, local, "192.0.2.10:22")
	knock(t, remote, "192.0.2.10", 1000, 12)
	const pardon = "somebody is logged in by ssh from 192.0.2.7, whom only pfw ban --force bans; it was banned: "
	if _, err := d.WaitEntry(limit, isBan("unban", "192.0.2.7", pardon+"port scan: over 10 refused ports a minute")); err != nil {
		t.Fatal(err)
	}
	if err := s.Alive(limit); err != nil {
		t.Errorf("the session ended: %v", err)
	}
	knock(t, remote, "192.0.2.10", 2000, 20)
	for range 10 {
		knock(t, remote, "192.0.2.10", 81, 1)
	}
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("banned again")
	}
	if n := count(t, d, "ban"); n != 1 {
		t.Errorf("%d bans are told of", n)
	}
	if err := s.Alive(limit); err != nil {
		t.Errorf("the session ended: %v", err)
	}
	// Forced is forced.
	pfw(t, d, "ban", "192.0.2.7", "--force")
	if s.Alive(shortly) == nil {
		t.Error("the session goes on")
	}
}

// count counts the entries of a type.
func count(t *testing.T, d *hosts.Daemon, kind string) (n int) {
	t.Helper()
	entries, err := d.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.EventType == kind {
			n++
		}
	}
	return n
}

func TestSYNFloodIsToldAndBanned(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, watching)
	// Who completes what they begin does no harm, however many there are.
	for range 120 {
		if !connects(t, remote, "192.0.2.10:80") {
			t.Fatal("no connection comes about")
		}
	}
	flood := knocks(t, local, remote)
	for source, remote := range map[string]string{"192.0.2.66": "192.0.2.66", "2001:db8:0:1::66": "2001:db8:0:1::/64"} {
		flood(source, 80, 200)
		if _, err := d.WaitEntry(limit, isBan("ban", remote, "SYN flood: over 50 half-open connections a second")); err != nil {
			t.Fatal(err)
		}
		e, err := d.WaitEntry(limit, isAlert(source))
		if err != nil {
			t.Fatal(err)
		}
		if a := alertOf(t, e); a.ID != 2 || a.Text != "SYN flood" || a.Severity != 1 || a.Action != "blocked" || !strings.Contains(e.PFW.Reason, "half-open connections at once, and more than 50/second begun") {
			t.Errorf("%+v in %s", a, e.Line)
		}
	}
	if n := len(bansOf(t, d)); n != 2 || count(t, d, "alert") != 2 {
		t.Errorf("%d are banned, %d alerts", n, count(t, d, "alert"))
	}
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("somebody else is banned, too")
	}
}

// More remotes than the detector remembers: it says so, and what it refuses is refused all the same.
func TestDetectorTellsWhatItCannotSee(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, watching+"[log]\nunmatched = false\n")
	in := hosts.Inject(t, remote, local)
	for i := range 70_000 {
		if err := in.Send(toTrap(i, 4000)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it is said", limit, func() bool { return strings.Contains(pfw(t, d, "status"), "scans may go unseen") })
	if s := pfw(t, d, "status", "--json"); !strings.Contains(s, `"state":"ok"`) || len(bansOf(t, d)) > 0 {
		t.Error(s)
	}
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("nobody comes in")
	}
}
