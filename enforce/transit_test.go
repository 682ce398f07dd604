package enforce

import (
	"context"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

// What lets packets through, however it is switched on, is seen and heard of, and that it is off again.
func TestEndsHere(t *testing.T) {
	h := hosts.New(t, "host")
	hosts.Need(t, "ip")
	table := open(t, h, TableOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	heard, done := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		done <- table.WatchEndsHere(ctx, func() {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
	}()
	is := func(want bool, when string) {
		t.Helper()
		deadline := time.After(15 * time.Second)
		for {
			got, err := table.EndsHere()
			if err != nil {
				t.Fatal(when, ": ", err)
			}
			if got == want {
				return
			}
			select {
			case <-heard:
			case <-deadline:
				t.Fatalf("%s: ends here is %t, and nothing is heard", when, got)
			}
		}
	}
	set := func(key, value string) {
		t.Helper()
		if err := h.Sysctl(key, value); err != nil {
			t.Fatal(err)
		}
	}
	is(true, "a new host")
	for _, key := range []string{"net/ipv4/ip_forward", "net/ipv4/conf/lo/forwarding", "net/ipv4/conf/default/forwarding", "net/ipv6/conf/all/forwarding"} {
		set(key, "1")
		is(false, key)
		set(key, "0")
		// The one for all sets that of each.
		is(true, key+" off")
	}
	command := func(words ...string) {
		t.Helper()
		if out, err := h.Command("ip", words...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", words, err, out)
		}
	}
	command("link", "add", "br0", "type", "bridge")
	is(false, "a bridge")
	command("link", "del", "br0")
	is(true, "no bridge")
	command("link", "add", "d0", "type", "veth", "peer", "name", "d1")
	is(true, "an interface of another kind")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
