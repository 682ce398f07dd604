package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pfw/e2e/hosts"
)

// pfw check finds nothing in a file that is valid and cannot be put in force, so it is not what helps.
func TestRemedyIsOneThatHelps(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "box"), telnet)
	nowhere := filepath.Join(d.Config, "audit.jsonl") // beneath a file
	for _, c := range []struct{ config, remedy string }{
		{bad, "pfw check shows what is wrong; mend it, then pfw reload"},
		{strings.Replace(telnet, "[log]\n", fmt.Sprintf("[log]\nfile = %q\n", nowhere), 1), "see to what it names, then pfw reload"},
	} {
		// Not by Edit, which sends the log elsewhere.
		if err := os.WriteFile(d.Config, []byte(c.config), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Reload(); err == nil {
			t.Fatalf("taken:\n%s", c.config)
		}
		if s, err := d.Pfw("status"); err != nil || !strings.Contains(s, c.remedy) {
			t.Errorf("%v, want %q:\n%s", err, c.remedy, s)
		}
	}
}
