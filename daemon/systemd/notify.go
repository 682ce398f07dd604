// Package systemd tells the service manager how the daemon is, and asks it why
// the daemon is to stop.
package systemd

import (
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Notify reports to the service manager over $NOTIFY_SOCKET, see sd_notify(3).
// Where that is not set, because the daemon was started by hand, every method does
// nothing and returns no error.
type Notify struct{}

// Ready says that a start or a reload is over, and how it went.
func (Notify) Ready(status string) error {
	return send(daemon.SdNotifyReady + "\n" + statusLine(status))
}

// Reloading says that a reload begins; Ready ends it, also where the reload is refused.
func (Notify) Reloading() error {
	// systemd 253 and newer matches the answer to its request by this time.
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read monotonic clock: %w", err)
	}
	return send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/int64(time.Microsecond)))
}

// Status replaces the text that `systemctl status` shows.
func (Notify) Status(text string) error {
	return send(statusLine(text))
}

// Stopping says that the daemon is about to end.
func (Notify) Stopping() error {
	return send(daemon.SdNotifyStopping)
}

// Watchdog says that the daemon works. It is due every WatchdogInterval.
func (Notify) Watchdog() error {
	return send(daemon.SdNotifyWatchdog)
}

// WatchdogInterval returns how often Watchdog is to be called: half of the time
// after which systemd kills the daemon (WatchdogSec=), as sd_watchdog_enabled(3)
// advises. It is 0 where no watchdog is set for this process.
func (Notify) WatchdogInterval() (time.Duration, error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("read watchdog settings: %w", err)
	}
	return limit / 2, nil
}

// statusLine keeps a text of several lines from being read as further fields.
func statusLine(text string) string {
	return "STATUS=" + strings.Join(strings.Fields(text), " ")
}

func send(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
