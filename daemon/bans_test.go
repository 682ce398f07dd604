package daemon

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pfw/config"
	"pfw/daemon/api"
	"pfw/daemon/audit"
	"pfw/e2e/hosts"
	"pfw/enforce"
)

const letIn = "[default]\ninbound = \"allow\"\n" + blockAll

// bansOf asks the daemon who is banned.
func bansOf(t *testing.T, d *hosts.Daemon) []api.Ban {
	t.Helper()
	out, err := d.Pfw("bans", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var v api.Bans
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatal(err)
	}
	return v.Bans
}

func isBan(kind, address, reason string) func(hosts.Entry) bool {
	return func(e hosts.Entry) bool {
		return e.EventType == kind && e.SrcIP == address && e.PFW.Reason == reason
	}
}

func TestBanEndsOpenConnections(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, letIn)
	in, out := stream(t, remote, local, "192.0.2.10:80"), stream(t, local, remote, "192.0.2.7:81")
	six := stream(t, remote, local, "[2001:db8::10]:80")
	pfw(t, d, "ban", "192.0.2.7", "--reason", "enough")
	if in.Alive(shortly) == nil || out.Alive(shortly) == nil {
		t.Error("an open connection goes on")
	}
	for direction, port := range map[string]uint16{"in": 80, "out": 81} {
		if _, err := d.WaitEntry(limit, isCut("banned", direction, port)); err != nil {
			t.Error(err)
		}
	}
	if connected4(t, local, "192.0.2.7") {
		t.Error("a socket is still connected")
	}
	if err := six.Alive(limit); err != nil {
		t.Errorf("the other family's ended, too: %v", err)
	}
	if _, err := d.WaitEntry(limit, isBan("ban", "192.0.2.7", "enough")); err != nil {
		t.Error(err)
	}
	pfw(t, d, "ban", "2001:db8::7")
	if six.Alive(shortly) == nil {
		t.Error("the open connection of a banned /64 goes on")
	}
	if e, err := d.WaitEntry(limit, isBan("ban", "2001:db8::/64", "by hand")); err != nil || e.PFW.Until == "" {
		t.Errorf("%v %s", err, e.Line)
	}

	// What was cut stays so; what is new comes in.
	pfw(t, d, "unban", "192.0.2.7")
	if in.Alive(shortly) == nil || out.Alive(shortly) == nil {
		t.Error("a connection goes on after the ban")
	}
	again := stream(t, remote, local, "192.0.2.10:80")

	// So it is of who was banned in the kernel, by whatever put it there.
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	nft(t, local, "add element inet pfw banned4 { 192.0.2.7 timeout 1h }")
	start(t, d)
	if _, err := d.WaitEntry(limit, isBan("ban", "192.0.2.7", adopted)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket is closed", limit, func() bool { return again.Alive(0) != nil && !connected4(t, local, "192.0.2.7") })
}

// connected4 tells whether a host has a socket that is connected to a remote.
func connected4(t *testing.T, h *hosts.Host, remote string) bool {
	t.Helper()
	out, err := h.Command("ss", "-Htn", "state", "established", "dst", remote).CombinedOutput()
	if err != nil {
		t.Fatalf("ss: %v\n%s", err, out)
	}
	return len(out) > 0
}

// What the kernel holds is taken over after a crash; after a stop or a reboot, what the state directory has.
func TestBansOutliveTheDaemon(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*testing.T, *hosts.Host, *hosts.Daemon)
		gap  bool
	}{
		{"crash", func(t *testing.T, _ *hosts.Host, d *hosts.Daemon) {
			if err := d.Kill(); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"stop", func(t *testing.T, _ *hosts.Host, d *hosts.Daemon) {
			if err := d.Stop(); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"reboot", func(t *testing.T, h *hosts.Host, d *hosts.Daemon) {
			if err := d.Kill(); err != nil {
				t.Fatal(err)
			}
			nft(t, h, "delete table inet pfw")
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			local, remote := hosts.Pair(t)
			listen(t, local, ":80")
			d := hosts.Run(t, local, letIn)
			pfw(t, d, "ban", "192.0.2.7", "--reason", "a \"reason\"\twith \x1b[31m")
			pfw(t, d, "ban", "2001:db8:1::9", "--for", "2d")
			pfw(t, d, "ban", "192.0.2.99", "--for", "1s", "--reason", "short")
			before := bansOf(t, d)
			c.end(t, local, d)
			if connects(t, remote, "192.0.2.10:80") != c.gap {
				t.Errorf("while it is away a connection comes about: %t", !c.gap)
			}
			time.Sleep(time.Second)
			start(t, d)
			if connects(t, remote, "192.0.2.10:80") {
				t.Error("ready, and a banned remote comes in")
			}
			after := bansOf(t, d)
			before = slices.DeleteFunc(before, func(b api.Ban) bool { return b.Address == "192.0.2.99" })
			if len(after) != 2 || fmt.Sprint(texts(after)) != fmt.Sprint(texts(before)) {
				t.Errorf("banned after it are %v, before %v", texts(after), texts(before))
			}
			for i := range after {
				if moved := after[i].Until.Sub(before[i].Until.Time).Abs(); moved > banSlack {
					t.Errorf("the end of %s moved by %s", after[i].Address, moved)
				}
			}
			if _, err := d.WaitEntry(limit, isBan("unban", "192.0.2.99", "its time is over; it was banned: short")); err != nil {
				t.Error(err)
			}
			if text := stderr(t, d); strings.Contains(text, "somebody else changed") {
				t.Errorf("bans are taken for tampering:\n%s", text)
			}
		})
	}
}

// texts are bans without their ends.
func texts(list []api.Ban) (out []string) {
	for _, b := range list {
		out = append(out, fmt.Sprintf("%s since %s: %q", b.Address, b.Since, b.Reason))
	}
	return out
}

func TestBansOfOthersAndThoseWhoEndThem(t *testing.T) {
	client, auditFile := here(t, letIn)
	told := func(kind, address, reason string) {
		t.Helper()
		eventually(t, kind+" "+address+" is told", limit, func() bool {
			text, err := os.ReadFile(auditFile)
			return err == nil && strings.Contains(string(text), fmt.Sprintf(`"event_type":%q,"src_ip":%q,"pfw":{"reason":%q`, kind, address, reason))
		})
	}
	for _, address := range []string{"192.0.2.7", "192.0.2.8"} {
		if _, err := client.Ban(t.Context(), api.BanRequest{Address: address, For: time.Hour, Reason: "mine"}); err != nil {
			t.Fatal(err)
		}
	}
	nftHere(t, "add", "element", "inet", "pfw", "banned4", "{ 192.0.2.9 timeout 1h }")
	nftHere(t, "add", "element", "inet", "pfw", "banned6", "{ 2001:db8:7:8:: }")
	nftHere(t, "delete", "element", "inet", "pfw", "banned4", "{ 192.0.2.8 }")
	told("ban", "192.0.2.9", "in the kernel")
	told("ban", "2001:db8:7:8::/64", "in the kernel")
	told("unban", "192.0.2.8", "the kernel does not have it any more; it was banned: mine")
	v, err := client.Bans(t.Context())
	if err != nil || len(v.Bans) != 3 {
		t.Fatalf("%v %v", v, err)
	}
	for _, b := range v.Bans {
		if (b.Until == nil) != (b.Address == "2001:db8:7:8::/64") {
			t.Errorf("%+v", b)
		}
	}
	// A table that is deleted comes again with its bans.
	nftHere(t, "delete", "table", "inet", "pfw")
	eventually(t, "the bans are in force again", limit, func() bool {
		out := nftHere(t, "list", "ruleset")
		return strings.Contains(out, "192.0.2.7 timeout") && strings.Contains(out, "192.0.2.9 timeout") && strings.Contains(out, "2001:db8:7:8::")
	})
	if _, err := client.Unban(t.Context(), "2001:db8:7:8::1"); err != nil {
		t.Error(err)
	}
	told("unban", "2001:db8:7:8::/64", "by hand; it was banned: in the kernel")
	s, err := client.Status(t.Context())
	if err != nil || s.Bans != 2 {
		t.Errorf("%d bans, %v", s.Bans, err)
	}
	if text, err := os.ReadFile(auditFile); err != nil || strings.Count(string(text), `"unban"`) != 2 {
		t.Errorf("%v; other bans than those two are told to have ended:\n%s", err, text)
	}
}

func TestWhoIsLoggedInIsNotBanned(t *testing.T) {
	becomeSSHServer(t)
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, letIn)
	stream(t, remote, local, "192.0.2.10:22")
	six := stream(t, remote, local, "[2001:db8::10]:22")
	listen(t, local, "192.0.2.10:22")
	listen(t, local, "[2001:db8::10]:22")
	for _, address := range []string{"192.0.2.7", "2001:db8::9999"} {
		_, err := d.Pfw("ban", address)
		if hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "somebody is logged in by ssh from ") || !strings.Contains(err.Error(), "hint: --force") {
			t.Errorf("%s: %v", address, err)
		}
	}
	pfw(t, d, "ban", "192.0.2.8")
	pfw(t, d, "ban", "2001:db8::9999", "--force")
	if six.Alive(shortly) == nil {
		t.Error("the connection goes on")
	}
}

// The kernel counts the time that it runs; a ban ends by the clock on the wall.
func TestBansFollowTheClock(t *testing.T) {
	table, err := enforce.Open(enforce.TableOptions{WithoutOwner: true})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	defer table.Remove(t.Context())
	path := filepath.Join(t.TempDir(), "firewall.toml")
	if err := os.WriteFile(path, []byte(letIn), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Apply(t.Context(), enforce.Compile(c.Policy, enforce.Options{Now: time.Now()})); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	entries, err := audit.Open(audit.Options{StateDir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{o: Options{StateDir: t.TempDir(), Log: log}, log: log, table: table, audit: entries, faults: newFaults()}
	b := newBans(d)
	now := time.Now()
	var list []enforce.Ban
	for i, left := range []time.Duration{time.Hour, 3 * time.Hour, 0} {
		remote := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32)
		list = append(list, enforce.Ban{Remote: remote, Left: left})
		b.put(remote, ban{Since: now, Until: until(now, left), Reason: "x"})
	}
	if err := table.Ban(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	stay, err := b.reset(t.Context(), list, now.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	in, err := table.Bans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]enforce.Ban{stay, in} {
		var got []string
		for _, k := range list {
			got = append(got, fmt.Sprint(k.Remote.Addr(), " ", k.Left.Round(time.Minute)))
		}
		slices.Sort(got)
		if want := []string{"192.0.2.1 1h0m0s", "192.0.2.2 0s"}; !slices.Equal(got, want) {
			t.Errorf("two hours later %q, want %q", got, want)
		}
	}
}

func TestDamagedFileOfBans(t *testing.T) {
	d := hosts.Prepare(t, hosts.New(t, "local"), letIn)
	path := filepath.Join(d.Dir, "state", "bans.json")
	text := `{"bans":[{"remote":"192.0.2.1/24","since":"2026-11-21T19:22:14Z","reason":"all"},{"remote":"192.0.2.9/32","since":"2026-11-21T19:22:14Z","reason":"ever"}]}`
	for text, want := range map[string]int{text: 1, "{": 0, `{"bans":[{}]}`: 0} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, d)
		if got := bansOf(t, d); len(got) != want || want > 0 && (got[0].Until != nil || got[0].Reason != "ever") {
			t.Errorf("%s: %+v", text, got)
		}
		if !strings.Contains(stderr(t, d), "bans of before not read") {
			t.Errorf("%s: nothing is said", text)
		}
		if s := pfw(t, d, "status"); !strings.Contains(s, "bans of before are not known") {
			t.Errorf("%s: nothing is wrong:\n%s", text, s)
		}
		if err := d.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that is full keeps nobody from being banned; that it is, is shown until it is over.
func TestBansThatCannotBeSaved(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, letIn)
	inTheWay := filepath.Join(d.Dir, "state", "bans.json.tmp")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	pfw(t, d, "ban", "192.0.2.7")
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("a banned remote comes in")
	}
	if s := pfw(t, d, "status", "--json"); !strings.Contains(s, "the state directory cannot be written") {
		t.Error(s)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is saved", limit, func() bool {
		text, err := os.ReadFile(filepath.Join(d.Dir, "state", "bans.json"))
		return err == nil && strings.Contains(string(text), "192.0.2.7/32") && strings.Contains(pfw(t, d, "status", "--json"), `"faults":[]`)
	})
}
