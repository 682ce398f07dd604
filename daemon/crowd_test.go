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
	status := read(t, fmt.Sprintf("/proc/%d/status", d.Pid()))
	// The most that it ever had in memory, in KiB (proc_pid_status(5)).
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(status)
	if peak == nil {
		t.Fatal(status)
	}
	const most = 128 << 10
	n, err := strconv.Atoi(peak[1])
	if err != nil || n > most {
		t.Errorf("pfwd took %d KiB at most, %v", n, err)
	}
}
