package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/audit"
	"pfw/e2e/hosts"
)

const smallFiles = `
[[rule]]
name = "no-syslog"
action = "block"
direction = "in"
protocol = "udp"
port = 514
[log]
journal = false
max_size = "16KiB"
keep = 1000
max_rate = "unlimited"
`

// burst sends packets that the host blocks, each of which is an entry.
func burst(t *testing.T, from *hosts.Host, to string, count int) {
	t.Helper()
	c, err := from.Dial("udp", to, limit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range count {
		if _, err := fmt.Fprint(c, "hello"); err != nil {
			t.Fatal(err)
		}
	}
}

// The log over many files that were rotated away: all of it, parts of it, and what comes while somebody reads.
func TestLogOverRotatedFiles(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, smallFiles)
	client := api.NewClient(d.Socket)
	burst(t, remote, "192.0.2.10:514", 400)
	burst(t, remote, "192.0.2.10:99", 100)
	of := func(q api.EventsQuery) (seqs []uint64) {
		for e, err := range client.Events(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			seqs = append(seqs, e.Seq)
		}
		return seqs
	}
	syslog := audit.Filter{Ports: []policy.PortRange{{First: 514, Last: 514}}}
	started := time.Unix(0, 0)
	eventually(t, "all is logged", limit, func() bool { return len(of(api.EventsQuery{Since: started})) >= 500 })

	all, err := d.Entries()
	if err != nil {
		t.Fatal(err)
	}
	var every, syslogs, since, until []uint64
	for _, e := range all {
		every = append(every, e.Seq)
		if e.DestPort == 514 {
			syslogs = append(syslogs, e.Seq)
		}
		if e.Timestamp >= all[250].Timestamp {
			since = append(since, e.Seq)
		} else {
			until = append(until, e.Seq)
		}
	}
	if _, err := os.Stat(d.Log + ".5"); err != nil {
		t.Fatalf("this test is for many files: %v", err)
	}
	middle, err := time.Parse("2006-01-02T15:04:05.000000-0700", all[250].Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		q    api.EventsQuery
		want []uint64
	}{
		{"all", api.EventsQuery{Since: started}, every},
		{"filtered", api.EventsQuery{Since: started, Filter: syslog}, syslogs},
		{"newest", api.EventsQuery{Newest: 300}, every[len(every)-300:]},
		{"newest filtered", api.EventsQuery{Newest: 300, Filter: syslog}, syslogs[len(syslogs)-300:]},
		{"since", api.EventsQuery{Since: middle}, since},
		{"until", api.EventsQuery{Until: middle}, until},
	} {
		if got := of(c.q); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %d entries, want %d\n%v\n%v", c.name, len(got), len(c.want), got, c.want)
		}
	}
}

// Who reads the log and goes on gets each entry once, in order, while files are rotated, and so does who asks for the rest after
// a crash of pfwd.
func TestLogIsFollowedWithoutGapOrDouble(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, smallFiles)
	client := api.NewClient(d.Socket)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				burst(t, remote, "192.0.2.10:514", 20)
			}
		}
	}()
	burst(t, remote, "192.0.2.10:514", 300)
	for range 5 {
		n, last := 0, uint64(0)
		for e, err := range client.Events(ctx, api.EventsQuery{Since: time.Unix(0, 0), Follow: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Seq != last+1 {
				t.Errorf("entry %d comes after %d: %s", e.Seq, last, e.Message())
			}
			last = e.Seq
			if n++; n > 1000 {
				break
			}
		}
	}
	close(stop)
	<-stopped
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, err := range client.Events(ctx, api.EventsQuery{Newest: 1}) {
		if !errors.Is(err, api.ErrUnreachable) {
			t.Errorf("from a pfwd that is gone: %v", err)
		}
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	entries := map[uint64]bool{}
	for e, err := range client.Events(ctx, api.EventsQuery{Since: time.Unix(0, 0)}) {
		if err != nil {
			t.Fatal(err)
		}
		if entries[e.Seq] {
			t.Errorf("entry %s comes twice", strconv.FormatUint(e.Seq, 10))
		}
		entries[e.Seq] = true
	}
	if len(entries) < 1000 {
		t.Errorf("%d entries after a crash", len(entries))
	}
}
