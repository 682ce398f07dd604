package daemon

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// term is a time that somebody gave. It ends by the clock that goes on while the machine sleeps and that nobody sets; after
// a reboot, where that one begins anew, by the wall clock.
type term struct {
	For time.Duration `json:"for"`
	// Boot is the kernel's boot id as it began, End where CLOCK_BOOTTIME will be at its end, Wall the same by the wall clock.
	Boot string        `json:"boot"`
	End  time.Duration `json:"end"`
	Wall time.Time     `json:"wall"`
}

// instant is one reading of all clocks.
type instant struct {
	boot string
	up   time.Duration // CLOCK_BOOTTIME
	wall time.Time
}

func (i instant) term(length time.Duration) term {
	return term{For: length, Boot: i.boot, End: i.up + length, Wall: i.wall.Add(length).Round(0)}
}

// left is how much of it is to come, nothing or less once it has ended. It is never more than was given: a wall clock that
// begins in 1970 at every boot, or a machine that goes on from an older image of its memory, must not make it last for ever.
func (t term) left(now instant) time.Duration {
	if t.Boot == now.boot {
		return min(t.End-now.up, t.For)
	}
	return min(t.Wall.Sub(now.wall), t.For)
}

// end is when it ends, as the wall clock stands now.
func (t term) end(now instant) time.Time { return now.wall.Add(t.left(now)).Round(time.Second) }

// clocks reads them all.
func clocks(boot string) instant {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		panic(fmt.Sprintf("daemon: every kernel that pfw runs on has CLOCK_BOOTTIME: %v", err))
	}
	return instant{boot: boot, up: time.Duration(up.Nano()), wall: time.Now()}
}

// now reads all clocks.
func (d *Daemon) now() instant { return clocks(d.boot) }
