package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// Who is banned while there comes to be room for another number stays so: the kernel bans as its set is read, and grows it.
func TestBansThatComeAsTheirSetIsMadeAnew(t *testing.T) {
	const remotes, perSecond = 20_000, 20_000
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, trap(remotes, "1/second"))
	in := hosts.Inject(t, remote, local)
	var packets [][]byte
	for i := range remotes {
		p := toTrap(i, 4000)
		packets = append(packets, p, p)
	}
	flood := in.Flood(packets, perSecond, len(packets))
	for size := remotes + 1; flood.Sent() < len(packets); size++ {
		if err := d.Edit(trap(size, "1/second")); err != nil {
			t.Fatal(err)
		}
		if err := d.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	if err := flood.Wait(); err != nil {
		t.Fatal(err)
	}
	held := func() int {
		out, err := local.Command("nft", "list", "set", "inet", "pfw", "banned4").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.Count(string(out), "expires")
	}
	eventually(t, "all are banned in the kernel", time.Minute, func() bool { return held() == remotes })
	if entries, err := d.Entries(); err != nil || strings.Contains(fmt.Sprint(entries), "the kernel does not have it any more") {
		t.Errorf("bans have ended, %v", err)
	}
}
