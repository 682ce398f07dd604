package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// However many reloads stand in line, each of which may take ten seconds, a panic comes first.
func TestPanicWaitsForNoneOfManyReloads(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	editBig(t, d)
	defer touching(t, filepath.Join(filepath.Dir(d.Config), "big.txt"))()
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
	// One was under way, and may have been done by then, and so the next.
	if done > before+2 {
		t.Errorf("the panic waited for %d reloads", done-before)
	}
	// Nothing is wrong with the file.
	reload(t, d)
	isIn(t, d, "panic")
}

// touching has a file change all the time, so that each reload reads it.
func touching(t *testing.T, path string) (stop func()) {
	var done sync.WaitGroup
	ended := make(chan struct{})
	done.Go(func() {
		for {
			select {
			case <-ended:
				return
			case now := <-time.After(time.Millisecond):
				if err := os.Chtimes(path, now, now); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	return func() {
		close(ended)
		done.Wait()
	}
}

// Nor does it wait for a list that came from the net, which nobody knows to be under way.
func TestPanicWaitsForNoListFromTheNet(t *testing.T) {
	local, _ := hosts.Pair(t)
	web := serveLists(t, local)
	d := hosts.Run(t, local, feedFile)
	const tries = 20
	for try := range tries {
		var b strings.Builder
		for n := range 300_000 {
			fmt.Fprintf(&b, "10.%d.%d.%d\n", n>>14, n>>6&255, n&63*4+try%2)
		}
		web.gives(b.String())
		refreshed := make(chan string, 1)
		go func() {
			out, _ := refresh(t, d)
			refreshed <- out
		}()
		eventually(t, "the list comes", limit, func() bool {
			fresh, err := filepath.Glob(filepath.Join(d.Dir, "state", "lists", "*"+freshEnd))
			return err == nil && len(fresh) > 0 || len(refreshed) > 0
		})
		pfw(t, d, "panic")
		isIn(t, d, "panic")
		out := <-refreshed
		pfw(t, d, "panic", "off")
		if strings.Contains(out, "given up, as everything was to be blocked at once") {
			refreshes(t, d)
			return
		}
	}
	t.Errorf("in %d tries the panic waited for the list", tries)
}
