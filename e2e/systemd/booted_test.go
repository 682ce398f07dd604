package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pfw/e2e/hosts"
)

// booted is a machine with pfw installed, and a stranger at the other end of its cable.
type booted struct {
	*machine
	local, remote *hosts.Host
	source        string // the module
}

const (
	localIP  = "192.0.2.10"
	remoteIP = "192.0.2.7"
)

// The life of pfw on a machine, as its administrator sees it, on the systemd of this machine and on Debian 13's. Each
// part goes on from where the one before it left the machine.
func TestBooted(t *testing.T) {
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("make", "-C", source, "build").CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range []struct {
		name, root string
		install    func(*booted)
	}{
		{"own", "/", (*booted).makeInstall},
		{"trixie", filepath.Join(cache, "pfw", "trixie"), (*booted).makePackage},
	} {
		t.Run(system.name, func(t *testing.T) {
			b := &booted{machine: newMachine(t, system.name, system.root), source: source}
			b.powerOn()
			for _, part := range []struct {
				name string
				test func(*booted)
			}{
				{"install", system.install},
				{"unit is sound", (*booted).unitIsSound},
				{"start", (*booted).start},
				{"runs as pfw with few capabilities", (*booted).leastPrivilege},
				{"who may ask", (*booted).whoMayAsk},
				{"blocked packet in the journal", (*booted).blockedPacket},
				{"who sent what is blocked", (*booted).whoSent},
				{"reload", (*booted).reload},
				{"lists from the net", (*booted).listsFromNet},
				{"reload of a bad file", (*booted).badReload},
				{"flood in the journal", (*booted).floodInTheJournal},
				{"trial and panic", (*booted).trialAndPanic},
				{"edit and ban as a member of the group", (*booted).editsAndBans},
				{"restart without a gap", (*booted).restart},
				{"crash without a gap", (*booted).crash},
				{"watchdog", (*booted).watchdog},
				{"stop", (*booted).stop},
				{"locked out over ssh", (*booted).lockedOut},
				{"install again keeps the rules", (*booted).installAgain},
				{"shutdown and boot", (*booted).reboot},
				{"boot with a bad file", (*booted).badBoot},
				{"uninstall", (*booted).uninstall},
			} {
				if !t.Run(part.name, func(t *testing.T) { b.during(t, part.test) }) {
					return
				}
			}
		})
	}
}

// during lets a part of the story fail as a test of its own.
func (b *booted) during(t *testing.T, test func(*booted)) {
	b.t = t
	defer func() { b.t = b.whole }()
	test(b)
}

// powerOn boots the machine on a network of its own, with nothing in the kernel from an earlier boot.
func (b *booted) powerOn() {
	b.t.Helper()
	b.local, b.remote = hosts.Pair(b.whole)
	b.boot(b.local, b.source)
	b.whole.Cleanup(b.story)
}

// story shows what the journal told since the first boot, where something went wrong.
func (b *booted) story() {
	if b.power == nil || !b.t.Failed() && !testing.Verbose() {
		return
	}
	out, err := b.command("journalctl", "--no-pager", "--output=short-precise", "--unit=pfwd").CombinedOutput()
	b.t.Logf("journal of pfwd (%v):\n%s", err, out)
}
