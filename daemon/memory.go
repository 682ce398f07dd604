package daemon

import (
	"runtime/debug"
	"time"
)

// keepMemory gives back what reading and loading a policy took, a while after it: the runtime keeps ten times of what the policy
// itself needs, and pfwd is idle for weeks. The garbage that idleness makes would not have it collected for minutes.
func (d *Daemon) keepMemory() error {
	// By then what follows a change is done, and somebody who makes several makes them.
	const later = 2 * time.Second
	for {
		select {
		case <-d.work.Done():
			return nil
		case <-d.spent:
		}
		select {
		case <-d.work.Done():
			return nil
		case <-time.After(later):
		}
		debug.FreeOSMemory()
	}
}
