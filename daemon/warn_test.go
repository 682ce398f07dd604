package daemon

import (
	"strings"
	"testing"

	"pfw/e2e/hosts"
)

// A list that has every entry twice must not bury what else the log tells.
func TestManyWarningsAreSummedUp(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "box"), blockAll+"\n[list.twice]\nentries = ["+strings.Repeat("\"192.0.2.7\", ", 30)+"]\n")
	eventually(t, "summed up", limit, func() bool {
		return strings.Contains(stderr(t, d), "there are more warnings; pfw check shows them all more=19")
	})
	if n := strings.Count(stderr(t, d), "192.0.2.7"); n != mostWarnings {
		t.Errorf("%d warnings in the log, want %d", n, mostWarnings)
	}
}
