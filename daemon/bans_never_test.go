package daemon

import (
	"strings"
	"testing"

	"pfw/e2e/hosts"
)

// Who is never banned is not, by whoever asks, and is so no more once the file says it.
func TestNeverBanned(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, letIn+"[ban]\nnever = [\"198.51.100.0/24\", \"2001:db8:5:6:7::8\"]\n")
	for address, want := range map[string]string{
		"198.51.100.7": "is never banned: the never list of [ban] has it", "2001:db8:5:6::1": "is never banned: the never list of [ban] has it",
		"192.0.2.10": "own address", "127.0.0.5": "own address", "0.0.0.7": "nobody's address", "::5": "nobody's address", "224.0.0.9": "nobody's address",
	} {
		for _, force := range [][]string{nil, {"--force"}} {
			if _, err := d.Pfw(append([]string{"ban", address}, force...)...); hosts.ExitCode(err) == 0 || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %v, want %q", address, force, err, want)
			}
		}
	}
	pfw(t, d, "ban", "192.0.2.7", "--reason", "first")
	pfw(t, d, "ban", "192.0.2.200")
	pfw(t, d, "ban", "2001:db8::7")
	if connects(t, remote, "192.0.2.10:80") {
		t.Fatal("a banned remote comes in")
	}
	change(t, d, letIn+"[ban]\nnever = [\"192.0.2.0-192.0.2.9\", \"2001:db8::7\"]\n")
	for address, why := range map[string]string{"192.0.2.7": "first", "2001:db8::/64": "by hand"} {
		if _, err := d.WaitEntry(limit, isBan("unban", address, "the never list of [ban] has it; it was banned: "+why)); err != nil {
			t.Error(err)
		}
	}
	if list := bansOf(t, d); len(list) != 1 || list[0].Address != "192.0.2.200" {
		t.Errorf("banned are %+v", list)
	}
	if !connects(t, remote, "192.0.2.10:80") || !connects(t, remote, "[2001:db8::10]:80") {
		t.Error("who is not banned any more does not come in")
	}
	// Nor is one that somebody else puts there, or that an older file has.
	nftBan(t, local, d, "192.0.2.8")
	if _, err := d.WaitEntry(limit, isBan("unban", "192.0.2.8", "the never list of [ban] has it; it was banned: in the kernel")); err != nil {
		t.Error(err)
	}
}

// nftBan puts a ban into the kernel as somebody else does, while pfwd does not hold the table.
func nftBan(t *testing.T, h *hosts.Host, d *hosts.Daemon, address string) {
	t.Helper()
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	nft(t, h, "add element inet pfw banned4 { "+address+" timeout 1h }")
	start(t, d)
}

// A size below the number of bans lets nobody go.
func TestRoomForBans(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Run(t, local, letIn+"[ban]\nsize = 20\n")
	for i := range 20 {
		pfw(t, d, "ban", "192.0.2."+string(rune('7'+i%3))+string(rune('0'+i/3)))
	}
	pfw(t, d, "ban", "2001:db8:9::1")
	full := func(want string) {
		t.Helper()
		if _, err := d.Pfw("ban", "192.0.2.7"); hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "as many as [ban] size has room for") {
			t.Errorf("one too many: %v", err)
		}
		if s := pfw(t, d, "status"); !strings.Contains(s, want) {
			t.Errorf("status does not say %q:\n%s", want, s)
		}
	}
	full("20 addresses of a family are banned already")
	change(t, d, letIn+"[ban]\nsize = 16\n")
	if s := pfw(t, d, "status"); !strings.Contains(s, "20 addresses of a family are banned, more than [ban] size = 16 has room for") {
		t.Error(s)
	}
	if n := len(bansOf(t, d)); n != 21 {
		t.Errorf("%d are banned", n)
	}
	change(t, d, letIn+"[ban]\nsize = 21\n")
	eventually(t, "nothing is wrong any more", limit, func() bool { return strings.Contains(pfw(t, d, "status", "--json"), `"faults":[]`) })
	pfw(t, d, "ban", "192.0.2.7")
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("a banned remote comes in")
	}
	if n := len(bansOf(t, d)); n != 22 {
		t.Errorf("%d are banned", n)
	}
}

// change puts another file in force.
func change(t *testing.T, d *hosts.Daemon, config string) {
	t.Helper()
	edit(t, d, config)
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
}
