package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"pfw/daemon/api"
)

// A file that says what is in force already is not read again. All that a reload does beside is done.
func TestAReloadOfWhatIsInForce(t *testing.T) {
	client, auditFile := here(t, telnet)
	path := filepath.Join(filepath.Dir(auditFile), "firewall.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := rules(nftHere(t, "list", "table", "inet", "pfw"))
	reload := func() uint64 {
		t.Helper()
		o, err := client.Reload(t.Context())
		if err != nil || o.State == "" || o.Warnings == nil {
			t.Fatalf("%+v, %v", o, err)
		}
		return o.Generation
	}
	first := reload()
	if second := reload(); second != first+1 {
		t.Errorf("generation %d after %d", second, first)
	}

	// A fault of the file is over when the file is as it was.
	if err := os.WriteFile(path, []byte("no rule file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Reload(t.Context()); err == nil {
		t.Fatal("a bad file is taken")
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	reload()
	if s, err := client.Status(t.Context()); err != nil || s.State != api.OK || len(s.Faults) > 0 {
		t.Errorf("%+v, %v", s, err)
	}

	// The last good policy is there whatever became of its file.
	if err := os.Remove(lastGood(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	reload()
	if _, err := os.Stat(lastGood(filepath.Dir(path))); err != nil {
		t.Error(err)
	}

	nftHere(t, "flush", "table", "inet", "pfw")
	reload()
	if got := rules(nftHere(t, "list", "table", "inet", "pfw")); got != whole {
		t.Errorf("after somebody flushed the table and a reload:\n%s", got)
	}
}
