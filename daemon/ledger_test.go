package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfw/config"
	"pfw/daemon/api"
	"pfw/daemon/audit"
	"pfw/e2e/hosts"
	"pfw/enforce/nflog"
)

const (
	discard   = "\n[[rule]]\nname = \"discard\"\naction = \"block\"\ndirection = \"in\"\nprotocol = \"udp\"\nport = 9\n"
	unlimited = "[log]\njournal = false\nmax_rate = \"unlimited\"\n" + discard
	limited   = blockAll + discard
)

// send sends UDP packets to the discard port, each of a flow of its own: a packet is blocked, so conntrack forgets it.
func send(t *testing.T, from *hosts.Host, count int) {
	t.Helper()
	c, err := from.Dial("udp", "192.0.2.10:9", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range count {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// blast is send for many, without a thought for the receiver.
func blast(t *testing.T, from *hosts.Host, count int) {
	t.Helper()
	const sockets = 4
	done := make(chan error, sockets)
	for range sockets {
		c, err := from.Dial("udp", "192.0.2.10:9", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		go func(c net.Conn) {
			var err error
			for i := 0; i < count/sockets && err == nil; i++ {
				_, err = c.Write([]byte("x"))
			}
			c.Close()
			done <- err
		}(c)
	}
	for range sockets {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// sums adds up the entries of a rule.
func sums(t *testing.T, d *hosts.Daemon, rule string) (drop, suppressed, lost uint64) {
	t.Helper()
	all, err := d.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.PFW.Rule != rule {
			continue
		}
		switch e.EventType {
		case "drop":
			drop++
		case "suppressed":
			suppressed += e.PFW.Count
		case "lost":
			lost += e.PFW.Count
		}
	}
	return drop, suppressed, lost
}

// even waits until entries + suppressed + lost is the counter of the rule.
func even(t *testing.T, d *hosts.Daemon, rule string, counter uint64) (drop, suppressed, lost uint64) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		drop, suppressed, lost = sums(t, d, rule)
		if sum := drop + suppressed + lost; sum == counter || time.Now().After(deadline) {
			if sum != counter {
				t.Errorf("%d entries + %d suppressed + %d lost, but the counter has %d", drop, suppressed, lost, counter)
			}
			return drop, suppressed, lost
		}
	}
}

func counter(t *testing.T, d *hosts.Daemon, rule string) uint64 {
	t.Helper()
	r, err := d.Rules()
	if err != nil {
		t.Fatal(err)
	}
	return r.Packets()[rule]
}

func TestBurstIsAccountedForToThePacket(t *testing.T) {
	for _, c := range []struct {
		name, config string
	}{{"with the cap", limited}, {"without a cap", unlimited}} {
		t.Run(c.name, func(t *testing.T) {
			local, remote := hosts.Pair(t)
			d := hosts.Run(t, local, c.config)
			const burst = 50_000
			blast(t, remote, burst)
			if n := counter(t, d, "discard"); n != burst {
				t.Fatalf("the counter has %d packets of %d", n, burst)
			}
			drop, suppressed, lost := even(t, d, "discard", burst)
			t.Logf("%d entries + %d suppressed + %d lost", drop, suppressed, lost)
			time.Sleep(2 * tickTime)
			even(t, d, "discard", burst)
			if c.config == limited && suppressed < burst*9/10 {
				t.Errorf("%d suppressed, though the cap is 50 a second", suppressed)
			}
			if c.config == unlimited && suppressed > 0 {
				t.Errorf("%d suppressed without a cap", suppressed)
			}
		})
	}
}

func TestMessagesThatTheKernelCouldNotHandOverAreLost(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, unlimited)
	send(t, remote, 10)
	even(t, d, "discard", 10)
	if err := syscall.Kill(d.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const burst = 400_000 // more than the socket's buffer holds
	blast(t, remote, burst)
	if err := syscall.Kill(d.Pid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	drop, _, lost := even(t, d, "discard", counter(t, d, "discard"))
	t.Logf("%d entries + %d lost", drop, lost)
	if lost == 0 {
		t.Error("nothing was lost: this test shows nothing")
	}
	send(t, remote, 10)
	time.Sleep(2*tickTime + gather)
	even(t, d, "discard", counter(t, d, "discard"))
}

func TestAccountsGoOnOverReloadCrashAndRestart(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, unlimited)
	send(t, remote, 100)
	edit(t, d, unlimited+telnetRule)
	reload(t, d)
	send(t, remote, 100)
	if _, _, lost := even(t, d, "discard", 200); lost > 0 {
		t.Errorf("%d lost over a reload", lost)
	}

	send(t, remote, 100) // some of which are not saved yet, some not read
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	send(t, remote, 50)
	start(t, d)
	drop, suppressed, lost := even(t, d, "discard", 350)
	if lost < 50 || suppressed > 0 {
		t.Errorf("%d entries, %d suppressed, %d lost; 50 came while no pfwd ran", drop, suppressed, lost)
	}

	// Once more, with everything written and saved before.
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	send(t, remote, 30)
	start(t, d)
	send(t, remote, 20)
	if _, _, again := even(t, d, "discard", 400); again != lost+30 {
		t.Errorf("%d lost, want %d and 30 while no pfwd ran", again, lost)
	}
	unique(t, d)

	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	send(t, remote, 10)
	if n := counter(t, d, "discard"); n != 10 {
		t.Errorf("the counter has %d after a stop, want it to begin anew with 10", n)
	}
	even(t, d, "discard", 400+10)
}

const telnetRule = "\n[[rule]]\nname = \"no-telnet\"\naction = \"block\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = 23\n"

// unique checks that no two entries have one number.
func unique(t *testing.T, d *hosts.Daemon) {
	t.Helper()
	all, err := d.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Seq <= all[i-1].Seq {
			t.Fatalf("seq %d after %d", all[i].Seq, all[i-1].Seq)
		}
	}
}

func TestRulesWithoutLogHaveNoEntries(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, limited+"log = false\n")
	send(t, remote, 500)
	// What is unmatched is logged: its entry shows that others would have come by now.
	if connects(t, remote, "192.0.2.10:7") {
		t.Error("connected")
	}
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.DestPort == 7 }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	if drop, suppressed, lost := sums(t, d, "discard"); drop+suppressed+lost > 0 || counter(t, d, "discard") != 500 {
		t.Errorf("%d entries, %d suppressed, %d lost, %d counted", drop, suppressed, lost, counter(t, d, "discard"))
	}
	out, err := d.Pfw("status", "--json")
	if err != nil || !strings.Contains(out, fmt.Sprintf(`"blocked":%d`, 501)) && !strings.Contains(out, fmt.Sprintf(`"blocked":%d`, 502)) {
		t.Errorf("%v %s", err, out)
	}
}

func TestAllowedConnectionsAreLoggedWhereAskedFor(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, web+"log = true\n")
	if !connects(t, remote, "192.0.2.10:80") {
		t.Fatal("not connected")
	}
	e, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.EventType == "allow" })
	if err != nil {
		t.Fatal(err)
	}
	if e.PFW.Rule != "web" || e.PFW.Action != "allow" || e.PFW.Reason != "rule web allows tcp port 80" || e.SrcIP != "192.0.2.7" {
		t.Errorf("entry %s", e.Line)
	}
}

func TestAllowedConnectionsAreSeenByWhoWatches(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, web)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	client := api.NewClient(d.Socket)
	seen := make(chan audit.Entry, 100)
	ended := make(chan error, 1)
	go func() {
		for e, err := range client.Events(ctx, api.EventsQuery{Follow: true, All: true}) {
			if err != nil {
				ended <- err
				return
			}
			seen <- e
		}
		ended <- nil
	}()
	// Who watches is heard of a moment later.
	var e audit.Entry
	eventually(t, "a connection shows", limit, func() bool {
		if !connects(t, remote, "192.0.2.10:80") {
			t.Fatal("not connected")
		}
		select {
		case e = <-seen:
			return true
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(200 * time.Millisecond):
		}
		return false
	})
	if e.EventType != audit.Allow || e.PFW.Rule != "web" || e.Seq != 0 {
		t.Errorf("seen %s", e.Message())
	}
	cancel()
	if all, err := d.Entries(); err != nil || len(all) > 0 {
		t.Errorf("%v; what is only shown is in the log: %+v", err, all)
	}
	// Once nobody watches, nobody reads the group: another may.
	eventually(t, "the group is free", limit, func() bool {
		var r *nflog.Reader
		err := local.Do(func() (err error) { r, err = nflog.Open(101, slog.New(slog.DiscardHandler)); return err })
		if err != nil {
			return false
		}
		return r.Close() == nil
	})
}

func TestGroupThatAnotherReads(t *testing.T) {
	local := hosts.New(t, "local")
	var r *nflog.Reader
	err := local.Do(func() (err error) { r, err = nflog.Open(100, slog.New(slog.DiscardHandler)); return err })
	if err != nil {
		t.Fatal(err)
	}
	d := hosts.Prepare(t, local, telnet)
	err = d.Start()
	if hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "nflog group 100: another listener has the group") {
		t.Errorf("at a start: %v", err)
	}
	if table(t, local) != "" {
		t.Error("something is in force")
	}
	edit(t, d, strings.Replace(telnet, "[log]", "[log]\ngroup = 102", 1))
	start(t, d)
	edit(t, d, telnet)
	if err := d.Reload(); hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "another listener has the group") {
		t.Errorf("at a reload: %v", err)
	}
	if !strings.Contains(table(t, local), "group 102") {
		t.Error("the refused reload changed the table")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	reload(t, d)
	if !strings.Contains(table(t, local), "group 100") {
		t.Error("the group did not change")
	}
}

// A later version, or a disk, may leave what this one cannot read; the firewall must come up with it.
func TestAccountsOfAnotherVersionKeepNoFirewallFromStarting(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	path := filepath.Join(d.Dir, "state", "accounts.json")
	for _, c := range []struct{ name, from, to string }{
		{"an unknown action", `"action":2`, `"action":9`},
		{"an unknown direction", `"direction":1`, `"direction":77`},
		{"a count below zero", `"packets":0`, `"packets":-7`},
	} {
		eventually(t, "saved", limit, func() bool { _, err := os.Stat(path); return err == nil })
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		other := strings.ReplaceAll(strings.ReplaceAll(string(text), c.from, c.to), `"entered":0`, `"entered":-5`)
		if other == string(text) {
			t.Fatalf("%s has no %s", text, c.from)
		}
		if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, d)
		eventually(t, c.name+": told", limit, func() bool { return strings.Contains(stderr(t, d), "accounts of the last process not read") })
		if err := os.Truncate(d.Stderr, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// Else what is logged nowhere would count as written, and be missing from what is lost.
func TestRefusedAuditFileLeavesTheAccountsAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	log, err := audit.Open(audit.Options{StateDir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{o: Options{StateDir: dir}, audit: log, accounts: newAccounts()}
	d.ledgers = newLedgers(d)
	d.ledgers.begin(false, nil)
	if err := d.sinks(config.Sinks{File: "/proc/none/audit.jsonl", MaxSize: 1 << 20}); err == nil {
		t.Fatal("a file in /proc/none is taken")
	}
	if d.ledgers.inFile != nil {
		t.Error("entries count as written to a file that there is not")
	}
}
