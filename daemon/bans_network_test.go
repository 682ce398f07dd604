package daemon

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// A network is banned like an address, over all that becomes of pfwd, and ends like one.
func TestNetworksAreBanned(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	if err := local.AddAddress("eth0", hosts.Addresses("198.51.100.1/30")[0]); err != nil {
		t.Fatal(err)
	}
	// The remote's address is not in a network with one of this machine's own.
	if err := remote.AddAddress("eth0", hosts.Addresses("198.51.100.2/30")[0]); err != nil {
		t.Fatal(err)
	}
	d := hosts.Run(t, local, letIn)
	from := func(open bool, when string) {
		t.Helper()
		if connects(t, remote, "198.51.100.1:80") != open {
			t.Errorf("%s: a connection comes about: %t", when, !open)
		}
	}
	for network, want := range map[string]string{
		"192.0.2.0/24": "holds 192.0.2.10, this machine's own address", "2001:db8::/32": "holds 2001:db8::10, this machine's own address",
		"0.0.0.0/0": "own address", "127.8.0.0/16": "own address", "224.0.0.0/8": "nobody's", "ff05::/16": "nobody's", "198.51.100.1/24": "host bits",
	} {
		if _, err := d.Pfw("ban", network, "--force"); hosts.ExitCode(err) == 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", network, err, want)
		}
	}
	s := stream(t, remote, local, "198.51.100.1:81")
	pfw(t, d, "ban", "198.51.100.2/31", "--reason", "few")
	if s.Alive(shortly) == nil {
		t.Error("an open connection goes on")
	}
	from(false, "banned")
	if _, err := d.WaitEntry(limit, isBan("ban", "198.51.100.2/31", "few")); err != nil {
		t.Error(err)
	}
	if _, err := d.WaitEntry(limit, isCut("banned", "in", 81)); err != nil {
		t.Error(err)
	}
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("who is not of the network is banned")
	}
	// A larger network that holds it, and one of its addresses, are bans of their own.
	pfw(t, d, "ban", "198.51.100.2", "--for", "1h")
	pfw(t, d, "unban", "198.51.100.2/31")
	from(false, "one address is banned")
	pfw(t, d, "unban", "198.51.100.2")
	from(true, "nobody is banned")
	pfw(t, d, "ban", "198.51.100.2/31", "--reason", "again")
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	from(false, "reloaded")
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	from(false, "killed")
	start(t, d)
	from(false, "started")
	if text := stderr(t, d); strings.Contains(text, "somebody else changed") {
		t.Errorf("bans are taken for tampering:\n%s", text)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	from(true, "stopped")
	start(t, d)
	from(false, "started after a stop")
	if list := bansOf(t, d); len(list) != 1 || list[0].Address != "198.51.100.2/31" || list[0].Reason != "again" {
		t.Errorf("banned are %+v", list)
	}
	if _, err := d.Pfw("unban", "198.51.100.3"); err == nil || !strings.Contains(err.Error(), "pfw unban 198.51.100.2/31") {
		t.Error(err)
	}
	var v struct{ Verdict, Rule, Fix string }
	if err := json.Unmarshal([]byte(pfw(t, d, "explain", "in tcp 198.51.100.3 -> :80", "--json")), &v); err != nil || v.Rule != "banned" || v.Fix != "pfw unban 198.51.100.2/31" {
		t.Errorf("%+v, %v", v, err)
	}
	pfw(t, d, "ban", "198.51.100.2/31", "--for", "1s")
	if _, err := d.WaitEntry(limit, isBan("unban", "198.51.100.2/31", "its time is over; it was banned: again")); err != nil {
		t.Error(err)
	}
	from(true, "its time is over")
	// Not one that [ban] never names a part of.
	pfw(t, d, "ban", "198.51.100.2/31", "--reason", "spared")
	change(t, d, letIn+"[ban]\nnever = \"198.51.100.3\"\n")
	if _, err := d.WaitEntry(limit, isBan("unban", "198.51.100.2/31", "the never list of [ban] has it; it was banned: spared")); err != nil {
		t.Error(err)
	}
	from(true, "never banned")
	if _, err := d.Pfw("ban", "198.51.100.2/31"); err == nil || !strings.Contains(err.Error(), "never list of [ban] has them") {
		t.Error(err)
	}
}

// What is costs nothing while there is none: the rules do not ask.
func TestRulesAskForNoNetworkWhileNoneIsBanned(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, letIn)
	before := rules(table(t, local))
	pfw(t, d, "ban", "198.51.100.0/24", "--for", "1h")
	pfw(t, d, "ban", "198.51.0.0/16", "--for", "1h")
	pfw(t, d, "ban", "2001:db8:7::/48", "--for", "1h")
	if during := table(t, local); !strings.Contains(during, "ip saddr 198.51.0.0/16") || !strings.Contains(during, "ip6 daddr 2001:db8:7::/48") {
		t.Errorf("the networks are not in the rules:\n%s", during)
	}
	began := time.Now()
	pfw(t, d, "unban", "198.51.100.0/24", "198.51.0.0/16", "2001:db8:7::/48")
	t.Logf("three bans ended in %s", time.Since(began))
	if after := rules(table(t, local)); after != before {
		t.Errorf("the rules are\n%s\nand were\n%s", after, before)
	}
}
