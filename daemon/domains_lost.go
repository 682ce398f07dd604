package daemon

import (
	"fmt"
	"time"
)

// watchLost tells of messages of the DNS that the kernel could not hand over. It serves one goroutine.
func (x *domains) watchLost() {
	_, lost := x.seen()
	more := lost - x.told
	if more == 0 {
		return
	}
	x.told = lost
	x.d.log.Warn("messages of the DNS are lost", "messages", more, "since_start", lost)
	x.d.faults.hold(unheard, time.Hour, fmt.Sprintf("%d messages of the DNS were lost since the start: a name in a rule may have addresses that are not known", lost),
		"they are known with the next answer; see whether something else than the DNS sends much from or to port 53")
}
