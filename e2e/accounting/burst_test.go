package accounting

import (
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

func TestBurstUnderTheCap(t *testing.T) {
	b := open(t, policy("50/second"))
	b.must(b.flood(mixture(), burst).Wait())
	b.balance()
	if b.kinds["suppressed"] == 0 {
		t.Error("nothing was suppressed: the burst was too slow to show anything")
	}
}

func TestBurstWithoutCap(t *testing.T) {
	b := open(t, policy("unlimited"))
	b.must(b.flood(mixture(), burst).Wait())
	b.balance()
	if b.kinds["suppressed"] > 0 {
		t.Errorf("%d suppressed without a cap", b.kinds["suppressed"])
	}
}

// A reload in the middle keeps the counters of the rules that stay, and moves the
// cap.
func TestBurstOverReloads(t *testing.T) {
	b := open(t, policy("50/second"))
	flood := b.flood(mixture(), burst)
	for i := range 4 {
		b.reach(flood, (i+1)*burst/6)
		b.must(b.daemon.Edit(policy([]string{"unlimited", "5/second"}[i%2])))
		b.must(b.daemon.Reload())
	}
	b.must(flood.Wait())
	b.balance()
}

// What came while no pfwd ran is lost, and said to be.
func TestBurstOverACrash(t *testing.T) {
	for _, cap := range []string{"50/second", "unlimited"} {
		t.Run(strings.ReplaceAll(cap, "/", " a "), func(t *testing.T) {
			b := open(t, policy(cap))
			flood := b.flood(mixture(), burst)
			b.reach(flood, burst/3)
			b.must(b.daemon.Kill())
			b.reach(flood, 2*burst/3)
			b.must(b.daemon.Start())
			b.must(flood.Wait())
			b.balance()
			if b.kinds["lost"] == 0 {
				t.Error("nothing is said to be lost, though no pfwd ran")
			}
			// The next burst finds books in order.
			b.must(b.flood(mixture(), burst).Wait())
			b.balance()
		})
	}
}

// Crash after crash, wherever it hits.
func TestBurstOverManyCrashes(t *testing.T) {
	b := open(t, policy("200/second"))
	flood := b.flood(mixture(), burst)
	for i := range 5 {
		b.reach(flood, (i+1)*burst/6)
		b.must(b.daemon.Kill())
		b.must(b.daemon.Start())
	}
	b.must(flood.Wait())
	b.balance()
}

// reach waits until the flood has sent so many.
func (b *books) reach(flood *hosts.Flood, n int) {
	b.t.Helper()
	for deadline := time.Now().Add(settled); flood.Sent() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("the flood sent %d packets in %s", flood.Sent(), settled)
		}
	}
}

// Allowed connections that a rule logs are held to the same, each counted once.
func TestBurstOfAllowedConnections(t *testing.T) {
	for _, cap := range []string{"50/second", "unlimited"} {
		t.Run(strings.ReplaceAll(cap, "/", " a "), func(t *testing.T) {
			b := open(t, policy(cap))
			b.must(b.flood(openings(), visitors).Wait())
			b.balance()
		})
	}
}
