package daemon

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// A look at all sockets takes megabytes and a core; that many ask at once must not take the machine's memory, nor keep the
// watchdog from being fed.
func TestManyAskForTheConnectionsAtOnce(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, openToAll)
	manySockets(t, local, remote, 60)
	var all sync.WaitGroup
	for range 150 {
		all.Go(func() {
			if _, err := api.NewClient(d.Socket).Connections(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	const most = 128 << 10
	if n := peak(t, d); n > most {
		t.Errorf("pfwd took %d KiB at most", n)
	}
}

// Each edit reads all lists.
func TestManyEditAtOnce(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	editBig(t, d)
	reload(t, d)
	c := api.NewClient(d.Socket)
	tag := etag(t, c)
	before := peak(t, d)
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			// All but one come too late, which is known only after the check.
			_, _ = c.PutRule(t.Context(), "ssh", ruleText("ssh", "allow", 22), tag)
		})
	}
	all.Wait()
	if after := peak(t, d); after > before*3/2 {
		t.Errorf("pfwd took %d KiB at most to load it, and %d to edit", before, after)
	}
}

// peak is the most that a daemon ever had in memory, in KiB (proc_pid_status(5)).
func peak(t *testing.T, d *hosts.Daemon) int {
	t.Helper()
	status := read(t, fmt.Sprintf("/proc/%d/status", d.Pid()))
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(status)
	if found == nil {
		t.Fatal(status)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
