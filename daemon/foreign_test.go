package daemon

import (
	"strings"
	"testing"
)

// Who else refuses packets is known as soon as somebody asks, and forgotten as soon as it is gone.
func TestOthersWhoRefusePackets(t *testing.T) {
	client, _ := here(t, letIn+rule("no", "block", "in", 23))
	told := func() (status, explained, refused int) {
		t.Helper()
		s, err := client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pass, err := client.Explain(t.Context(), "in tcp 192.0.2.7 -> :22")
		if err != nil {
			t.Fatal(err)
		}
		no, err := client.Explain(t.Context(), "in tcp 192.0.2.7 -> :23")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range pass.Notices {
			if !strings.Contains(n.What, "table inet other refuses packets too (chain in)") {
				t.Errorf("notice %q", n.What)
			}
		}
		return len(s.Notices), len(pass.Notices), len(no.Notices)
	}
	if s, e, r := told(); s != 0 || e != 0 || r != 0 {
		t.Errorf("nobody else is there: %d %d %d notices", s, e, r)
	}
	nftHere(t, "add", "table", "inet", "other")
	nftHere(t, "add", "chain", "inet", "other", "in", "{ type filter hook input priority 10; policy drop; }")
	if s, e, r := told(); s != 1 || e != 1 || r != 0 {
		t.Errorf("a table refuses: %d %d %d notices", s, e, r)
	}
	nftHere(t, "delete", "table", "inet", "other")
	if s, e, r := told(); s != 0 || e != 0 || r != 0 {
		t.Errorf("it is gone: %d %d %d notices", s, e, r)
	}
}
