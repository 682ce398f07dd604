package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pfw/config"
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

// A rule that was past its until by a clock that ran ahead is in force again once that is put right, and a reload says so.
func TestAReloadReadsAgainWhereTheClockWasSetBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "firewall.toml")
	text := "[[rule]]\nname = \"ssh\"\naction = \"allow\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = 22\nuntil = 2040-01-01T00:00:00Z\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		read, now int
		current   bool
	}{{2041, 2042, true}, {2041, 2030, false}, {2030, 2031, true}, {2030, 2041, false}} {
		at := func(year int) time.Time { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC) }
		l, err := loadFile(path, config.Options{Now: at(c.read)})
		if err != nil {
			t.Fatal(err)
		}
		f := force{policy: l.config.Policy, config: l.config, read: l.read}
		if got := f.current(at(c.now)); got != c.current {
			t.Errorf("read in %d, in %d: current is %t", c.read, c.now, got)
		}
	}
}
