package daemon

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// resident is what a process holds in memory, in MiB.
func resident(t *testing.T, d *hosts.Daemon, what string) (mib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if n, err := fmt.Sscanf(line, what+": %d kB", &mib); n == 1 && err == nil {
			return mib >> 10
		}
	}
	t.Fatalf("no %s", what)
	return 0
}

// Two hundred thousand remotes that nobody has ever heard of do what a rule bans for, and there is room for fewer.
func TestBansUnderAFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	const remotes, room, perSecond = 200_000, 150_000, 24_000
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, trap(room, "1/second")+`
[[rule]]
name      = "web"
action    = "allow"
direction = "in"
protocol  = "tcp"
port      = [80, 81]
`)
	s := stream(t, remote, local, "192.0.2.10:81")
	in := hosts.Inject(t, remote, local)
	before := resident(t, d, "VmRSS")
	packets := make([][]byte, 0, 2*remotes)
	for i := range remotes {
		packets = append(packets, toTrap(i, 4000), toTrap(i, 4001))
	}
	began := time.Now()
	if err := in.Flood(packets, perSecond, len(packets)).Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d packets sent in %s", len(packets), time.Since(began))
	if err := s.Alive(limit); err != nil {
		t.Errorf("what was open and is allowed suffers: %v", err)
	}
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("nobody else comes in")
	}
	eventually(t, "all bans are known", 2*time.Minute, func() bool {
		return strings.Contains(pfw(t, d, "status", "--json"), fmt.Sprintf(`"bans":%d`, room))
	})
	t.Logf("all are known after %s; pfwd has %d MiB, at most %d, and had %d", time.Since(began), resident(t, d, "VmRSS"), resident(t, d, "VmHWM"), before)
	if peak := resident(t, d, "VmHWM"); peak > 400 {
		t.Errorf("pfwd had %d MiB", peak)
	}
	status := pfw(t, d, "status")
	if !strings.Contains(status, fmt.Sprintf("%d addresses of a family are banned already", room)) {
		t.Errorf("status does not say that the bans are full:\n%s", status)
	}
	if _, err := d.WaitEntry(limit, isFull); err != nil {
		t.Fatal(err)
	}
	// Every packet is accounted for, and every ban told of, once.
	rules, err := d.Rules()
	if err != nil {
		t.Fatal(err)
	}
	want := rules.Packets()["trap"]
	var sum, alerts uint64
	bans := map[string]int{}
	eventually(t, "the books balance", time.Minute, func() bool {
		entries, err := d.Entries()
		if err != nil {
			t.Fatal(err)
		}
		sum, alerts = 0, 0
		clear(bans)
		for _, e := range entries {
			switch {
			case e.EventType == "ban":
				bans[e.SrcIP]++
			case e.EventType == "alert":
				alerts++
			case e.PFW.Rule == "trap" && e.EventType == "drop":
				sum++
			case e.PFW.Rule == "trap" && (e.EventType == "suppressed" || e.EventType == "lost"):
				sum += e.PFW.Count
			}
		}
		return sum == want
	})
	if want < remotes+room || len(bans) != room || alerts == 0 || alerts > 3 {
		t.Errorf("%d packets decided, %d of them in the log, %d bans, %d alerts", want, sum, len(bans), alerts)
	}
	for address, n := range bans {
		if n > 1 {
			t.Errorf("the ban of %s is told of %d times", address, n)
			break
		}
	}
	// Room is all that it takes.
	began = time.Now()
	pfw(t, d, "unban", "100.64.0.1", "100.64.0.2")
	t.Logf("two bans ended in %s", time.Since(began))
	eventually(t, "the status is well", time.Minute, func() bool { return strings.Contains(pfw(t, d, "status", "--json"), `"faults":[]`) })
}
