package daemon

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// As many as there is room for, and one more: it is refused, and everybody is told.
func TestBansAreFull(t *testing.T) {
	client, _ := here(t, letIn)
	var script strings.Builder
	for i := range policy.BansAtMost {
		fmt.Fprintf(&script, "add element inet pfw banned4 { 10.1.%d.%d timeout 1h }\n", i>>8, i&255)
	}
	path := filepath.Join(t.TempDir(), "bans.nft")
	if err := os.WriteFile(path, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	nftHere(t, "-f", path)
	faults := func() (what []string, bans int) {
		s, err := client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Faults {
			what = append(what, f.What)
		}
		return what, s.Bans
	}
	eventually(t, "all are adopted", time.Minute, func() bool { _, bans := faults(); return bans == policy.BansAtMost })
	one := api.BanRequest{Address: "192.0.2.7", For: time.Hour}
	_, err := client.Ban(t.Context(), one)
	if p, ok := err.(*api.Problem); !ok || p.Status != http.StatusConflict || !strings.Contains(p.Detail, "no more") {
		t.Errorf("one too many: %v", err)
	}
	if what, _ := faults(); len(what) != 1 || !strings.Contains(what[0], "65536 addresses of a family are banned already") {
		t.Errorf("faults %q", what)
	}
	// The other family has room.
	if _, err := client.Ban(t.Context(), api.BanRequest{Address: "2001:db8::7", For: time.Hour}); err != nil {
		t.Error(err)
	}
	if _, err := client.Unban(t.Context(), "10.1.0.1"); err != nil {
		t.Error(err)
	}
	if _, err := client.Ban(t.Context(), one); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	if _, err := client.Unban(t.Context(), "10.1.0.2"); err != nil {
		t.Error(err)
	}
	eventually(t, "nothing is wrong any more", time.Minute, func() bool { what, _ := faults(); return len(what) == 0 })
}

// What the kernel refuses is told of from the first packet on, and not again after a restart.
func TestBansThatARuleIsRefusedAreTold(t *testing.T) {
	local, remote := hosts.Pair(t)
	in := hosts.Inject(t, remote, local)
	var packets [][]byte
	for i := range 20 {
		for port := range 3 {
			packets = append(packets, toTrap(i, uint16(4000+port)))
		}
	}
	d := hosts.Run(t, local, trap(16, "1/hour"))
	// Before pfwd looks at the counters, which it does once a second.
	if err := in.Flood(packets, 10_000, len(packets)).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.WaitEntry(30*time.Second, isFull); err != nil {
		t.Fatal(err)
	}
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if text, err := d.Pfw("status"); err != nil || strings.Contains(text, "whoever was to be banned since is not") {
		t.Errorf("%v: %s", err, text)
	}
}
