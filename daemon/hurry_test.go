package daemon

import (
	"strings"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// However many reloads stand in line, each of which may take ten seconds, a panic comes first.
func TestPanicWaitsForNoneOfManyReloads(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	editBig(t, d)
	const many = 6
	c := api.NewClient(d.Socket)
	reloaded := make(chan error, many)
	for range many {
		go func() {
			_, err := c.Reload(t.Context())
			reloaded <- err
		}()
	}
	if err := d.WaitNotice("RELOADING=1", limit); err != nil {
		t.Fatal(err)
	}
	before := len(reloaded)
	pfw(t, d, "panic")
	isIn(t, d, "panic")
	done := 0
	for range many {
		select {
		case err := <-reloaded:
			if err == nil {
				done++
			} else if !strings.Contains(err.Error(), "given up, as everything was to be blocked at once") {
				t.Error(err)
			}
		case <-time.After(limit):
			t.Fatal("a reload has no end")
		}
	}
	// One was under way, and may have been done by then. Those of a list that is as it was take no time: some may come between
	// the count and the panic.
	if done > before+2 {
		t.Errorf("the panic waited for %d reloads", done-before)
	}
	// Nothing is wrong with the file.
	reload(t, d)
	isIn(t, d, "panic")
}
