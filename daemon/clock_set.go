package daemon

import (
	"fmt"
	"time"
)

// clockShown is from what on people are told that the clock was set: less is what a clock is kept right by.
const clockShown = 10 * time.Second

// watchClock tells of a clock that was set between two readings, and gives the later. A machine that slept is no clock that was
// set: CLOCK_BOOTTIME goes on meanwhile.
func (d *Daemon) watchClock(last, now instant) instant {
	off := now.wall.Round(0).Sub(last.wall.Round(0)) - (now.up - last.up)
	if off.Abs() < clockShown {
		return now
	}
	way := "forward"
	if off < 0 {
		way = "back"
	}
	what := fmt.Sprintf("the clock was set %s by %s, to %s: bans and schedules end by it", way, off.Abs().Round(time.Second), now.wall.Format(time.DateTime))
	d.log.Warn(what)
	d.faults.hold(clockWasSet, tamperShown, what, "timedatectl shows whether it is right; pfw bans, until when somebody is banned")
	return now
}
