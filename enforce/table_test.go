package enforce

import (
	"os"
	"strings"
	"testing"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// open opens the table on a host.
func open(t testing.TB, h *hosts.Host, o TableOptions) *Table {
	t.Helper()
	var table *Table
	if err := h.Do(func() (err error) { table, err = Open(o); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func apply(t testing.TB, table *Table, p *policy.Policy) Applied {
	t.Helper()
	a, err := table.Apply(t.Context(), Compile(p, Options{Now: now}))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func nft(t testing.TB, h *hosts.Host, script string) {
	t.Helper()
	cmd := h.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %s", out)
	}
}

func list(t testing.TB, h *hosts.Host) string {
	t.Helper()
	out, err := h.Command("nft", "list", "table", "inet", "pfw").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %s", out)
	}
	return string(out)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
