package systemd

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Reason is why the daemon was sent SIGTERM.
type Reason uint8

// The reasons.
const (
	_ Reason = iota
	// Stop: somebody wants the daemon off.
	Stop
	// Restart: a successor starts at once.
	Restart
	// Shutdown: the machine goes down.
	Shutdown
	// Unknown: systemd runs the daemon and did not tell.
	Unknown
)

// String returns the reason as a word for the log, as "restart".
func (r Reason) String() string {
	switch r {
	case Stop:
		return "stop"
	case Restart:
		return "restart"
	case Shutdown:
		return "shutdown"
	case Unknown:
		return "unknown"
	}
	panic(fmt.Sprintf("systemd: reason %d", uint8(r)))
}

// patience is how long systemd may take to answer: it is busy while it restarts
// much or shuts down, and is to be answered itself within TimeoutStopSec=.
const patience = 2 * time.Second

// manager is what is asked of systemd; *dbus.Conn is one.
type manager interface {
	SystemStateContext(ctx context.Context) (*dbus.Property, error)
	GetUnitNameByPID(ctx context.Context, pid uint32) (string, error)
	ListJobsContext(ctx context.Context) ([]dbus.JobStatus, error)
}

// WhyStopping finds out why the daemon is to stop. It is Stop where systemd did not
// start the daemon ($INVOCATION_ID is not set): then a person sent the signal.
// Otherwise systemd is asked over the system bus, which needs no privilege, for
// 2 s at most. Where it does not answer the reason is Unknown, and the error says
// why. ctx must outlive the signal: the one that the signal cancels will not do.
func WhyStopping(ctx context.Context) (Reason, error) {
	if os.Getenv("INVOCATION_ID") == "" {
		return Stop, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return Unknown, fmt.Errorf("ask systemd why to stop: %w", err)
	}
	defer conn.Close()
	return ask(ctx, conn)
}

func ask(ctx context.Context, m manager) (Reason, error) {
	// The state first: at a shutdown the unit's job is a stop like any other.
	state, err := m.SystemStateContext(ctx)
	if err != nil {
		return Unknown, fmt.Errorf("ask systemd for its state: %w", err)
	}
	if state.Value.Value() == "stopping" {
		return Shutdown, nil
	}
	pid := os.Getpid()
	unit, err := m.GetUnitNameByPID(ctx, uint32(pid))
	if err != nil {
		return Unknown, fmt.Errorf("ask systemd for the unit of process %d: %w", pid, err)
	}
	jobs, err := m.ListJobsContext(ctx)
	if err != nil {
		return Unknown, fmt.Errorf("ask systemd for its jobs: %w", err)
	}
	for _, job := range jobs {
		if job.Unit == unit {
			return byJob(job)
		}
	}
	// Nothing is asked of the unit, so the signal came from a person.
	return Stop, nil
}

// byJob reads the type of the unit's job, see systemd's src/core/job.h.
func byJob(job dbus.JobStatus) (Reason, error) {
	switch job.JobType {
	case "stop":
		return Stop, nil
	case "restart", "try-restart":
		return Restart, nil
	default:
		// A start that takes too long, say, or one that replaced the stop meanwhile.
		return Unknown, fmt.Errorf("systemd's job for %s is to %s it", job.Unit, job.JobType)
	}
}
