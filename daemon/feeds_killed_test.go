package daemon

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// Whoever fetches may be killed at any time.
func TestWhoFetchesIsKilled(t *testing.T) {
	d, remote, web := fed(t, feedFile, "192.0.2.7\n")
	asked, done := make(chan struct{}, 1), make(chan struct{})
	defer close(done)
	web.does(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-done:
		}
	})
	program, err := hosts.Program("./cmd/pfw")
	if err != nil {
		t.Fatal(err)
	}
	cmd := d.Host.Command(program, "--socket", d.Socket, "lists", "refresh")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, "told that it was killed", limit, func() bool {
		return strings.Contains(pfw(t, d, "status"), "whoever fetched it was ended before it was done")
	})
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what was listed before gets in")
	}
	web.gives("192.0.2.7\n")
	refreshes(t, d)
	if s := statusOf(t, d); s.State != api.OK {
		t.Errorf("%+v", s)
	}
}

// A daemon that dies in the middle of it leaves the list of before or the new one, and its successor is content with either.
func TestKilledInTheMiddleOfARefresh(t *testing.T) {
	var lists [2]string
	for i := range lists {
		var b strings.Builder
		b.WriteString("192.0.2.7\n")
		for n := range 30_000 {
			fmt.Fprintf(&b, "10.%d.%d.%d\n", n>>15, n>>7&255, n&127*2+i*(n%50)/49)
		}
		lists[i] = b.String()
	}
	d, remote, web := fed(t, feedFile, lists[0])
	for i := range 8 {
		web.gives(lists[(i+1)%2])
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = d.Pfw("lists", "refresh") // killed, as a rule
		}()
		time.Sleep(time.Duration(20+i*25) * time.Millisecond)
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		start(t, d)
		if connects(t, remote, "192.0.2.10:80") {
			t.Error("what both lists have gets in")
		}
		for _, f := range statusOf(t, d).Faults {
			if !strings.Contains(f.What, "not refreshed") {
				t.Errorf("after kill %d: %s", i, f.What)
			}
		}
		refreshes(t, d)
	}
	left, err := filepath.Glob(filepath.Join(d.Dir, "state", "lists", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("%v %q, want the copy and what is known of it", err, left)
	}
	if text := stderr(t, d); strings.Contains(text, "somebody else changed") {
		t.Error(text)
	}
}
