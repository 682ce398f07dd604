package daemon

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestClockThatIsSetIsTold(t *testing.T) {
	for _, c := range []struct {
		wall, up time.Duration
		want     string
	}{
		{2 * time.Second, 2 * time.Second, ""},
		{8 * time.Hour, 8 * time.Hour, ""}, // it slept
		{4 * time.Second, 2 * time.Second, ""},
		{2*time.Hour + 2*time.Second, 2 * time.Second, "the clock was set forward by 2h0m0s, to "},
		{-24 * time.Hour, 2 * time.Second, "the clock was set back by 24h0m2s, to "},
	} {
		d := &Daemon{log: slog.New(slog.NewTextHandler(t.Output(), nil)), faults: newFaults()}
		last := instant{up: time.Hour, wall: time.Now()}
		d.watchClock(last, instant{up: last.up + c.up, wall: last.wall.Add(c.wall)})
		what, told := d.faults.what(clockWasSet)
		if told != (c.want != "") || !strings.HasPrefix(what, c.want) || len(d.faults.list()) > 0 {
			t.Errorf("%s in %s: %q, %t; wrong is %v", c.wall, c.up, what, told, d.faults.list())
		}
	}
}
