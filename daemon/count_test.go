package daemon

import (
	"context"
	"sync"
	"testing"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// A reading that is taken down after a later one must not look like a counter that was deleted and made anew.
func TestManyReadTheCountersAtOnce(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, limited)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			for c := api.NewClient(d.Socket); ctx.Err() == nil; {
				if _, err := c.Rules(ctx, false); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const packets, bursts = 500, 40
	for range bursts {
		send(t, remote, packets)
	}
	cancel()
	readers.Wait()
	if n := counter(t, d, "discard"); n != packets*bursts {
		t.Fatalf("the counter has %d packets of %d", n, packets*bursts)
	}
	even(t, d, "discard", packets*bursts)
}
