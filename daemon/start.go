// Package daemon is pfwd's life: it puts a rule file in force, keeps it in force, writes down what the kernel logs, and
// answers on the control socket. It wires config, enforce and the packages beneath it, none of which knows another.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"pfw/config"
	"pfw/daemon/api"
	"pfw/daemon/audit"
	"pfw/daemon/names"
	"pfw/daemon/systemd"
	"pfw/enforce"
)

// Options is what pfwd's command line says.
type Options struct {
	// Config is the path of firewall.toml.
	Config string
	// RuntimeDir holds the control socket, StateDir what outlives a restart; both are made where they are missing.
	RuntimeDir, StateDir string
	Version              string
	Log                  *slog.Logger
	// WithoutOwner does not ask the kernel to keep others off the table, as kernels before 6.9 cannot.
	WithoutOwner bool

	// lookup asks for the addresses of names; nil is the system's resolver.
	lookup names.Lookup
	// kept are the long lists that were read last.
	kept *config.Kept
}

// Daemon is a running pfwd.
type Daemon struct {
	o      Options
	log    *slog.Logger
	notify systemd.Notify
	boot   string // the kernel's boot id

	table    *enforce.Table
	audit    *audit.Log
	accounts *accounts
	readers  *readers
	faults   *faults
	ledgers  *ledgers
	bans     *bans
	feeds    *feeds
	seen     chan sighting
	// unseen is the last reading of what detectors had no room for; under counting.
	unseen  uint64
	domains *domains
	foreign foreign
	// reloads counts what became of those who wanted another policy.
	reloads struct{ done, refused atomic.Uint64 }

	// change is held by whatever changes what is in force; stopping, once set, refuses further changes.
	change   sync.Mutex
	stopping bool
	// changing is since when change is held, nil while it is not.
	changing atomic.Pointer[time.Time]
	force    atomic.Pointer[force]
	// protecting is since when without a break, as far as this process knows, the table has refused what no rule lets in.
	protecting atomic.Pointer[time.Time]
	good       goodFile
	// giveUp ends the loading of a policy that is not in force yet, nil while none is loaded.
	giveUp atomic.Pointer[context.CancelCauseFunc]
	// hurried counts those who want everything blocked at once: until it is, no policy is loaded.
	hurried atomic.Int32
	// cutting is held by whatever cuts connections, so that none is told of twice. It is taken after change, where both are.
	cutting sync.Mutex
	// counting is held from a reading of the kernel's counters, or a change of them, until the accounts have it.
	counting sync.Mutex
	// heavy holds one while an answer is made that takes much memory.
	heavy chan struct{}
	// telling is held by whatever writes what is due; reckoned, under it, is how many of the messages that the readers know
	// to be lost the accounts know of too.
	telling  sync.Mutex
	reckoned int64
	// rescheduled wakes the task that waits for the next edge of a schedule.
	rescheduled chan struct{}
	// spent wakes the task that gives memory back.
	spent chan struct{}
	// trial is the policy in force where that is on trial, nil where it is in force for good. dated wakes the task that
	// ends it in time.
	trial atomic.Pointer[trial]
	dated chan struct{}
	// surroundings wakes the task that has packets dropped before conntrack; deaf says that it does not learn any more whether
	// this machine passes packets on.
	surroundings chan struct{}
	deaf         atomic.Bool
	// alarm is there while everything is blocked.
	alarm atomic.Pointer[alarm]

	group  *errgroup.Group
	work   context.Context // of every task but the readers and the log
	cancel context.CancelFunc
	// ending ends when pfwd is asked to stop, so that nobody waits for a reload that a stop makes pointless.
	ending context.Context
	end    context.CancelFunc
}

// Run is pfwd from start to end. It returns nil once it was asked to stop by SIGTERM, SIGINT or the end of ctx; an
// error says why it could not start or go on. Unless it was asked to be off, the table stays in force.
func Run(ctx context.Context, o Options) error {
	// From here on a signal waits until the policy is in force.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	began := time.Now()
	o.kept = new(config.Kept)
	if o.lookup == nil {
		o.lookup = names.System
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	first, err := loadFirst(o, clocks(boot))
	if err != nil {
		return err
	}
	d, err := open(ctx, o, boot, first)
	if err != nil {
		return err
	}
	err = d.start(ctx, first, began)
	if err == nil {
		err = d.wait(ctx, signals)
	}
	return errors.Join(err, d.close())
}

// open makes what everything else stands on. Nothing in the kernel changes.
func open(ctx context.Context, o Options, boot string, first *loaded) (*Daemon, error) {
	for _, dir := range []string{o.StateDir, o.RuntimeDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make directory: %w", err)
		}
	}
	log, err := audit.Open(audit.Options{StateDir: o.StateDir, Sinks: audit.SinkOptions(first.config.Sinks), Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	table, err := enforce.Open(enforce.TableOptions{StateDir: o.StateDir, Log: o.Log, WithoutOwner: o.WithoutOwner})
	if err != nil {
		return nil, fmt.Errorf("open the kernel's table: %w", err)
	}
	d := &Daemon{
		o: o, log: o.Log, boot: boot, table: table, audit: log,
		accounts: newAccounts(), faults: newFaults(), rescheduled: make(chan struct{}, 1), spent: make(chan struct{}, 1), dated: make(chan struct{}, 1),
		heavy: make(chan struct{}, 1), surroundings: make(chan struct{}, 1),
	}
	d.ending, d.end = context.WithCancel(context.WithoutCancel(ctx))
	work, cancel := context.WithCancel(ctx)
	d.cancel = cancel
	d.group, d.work = errgroup.WithContext(work)
	d.ledgers = newLedgers(d)
	d.readers = newReaders(d)
	d.bans = newBans(d)
	d.feeds = newFeeds(d)
	d.seen = make(chan sighting, mostSightings)
	d.domains = newDomains(d)
	d.foreign.d = d
	d.group.Go(func() error { return log.Run(d.readers.logging) })
	return d, nil
}

// start puts the policy in force and reports ready.
func (d *Daemon) start(ctx context.Context, first *loaded, began time.Time) error {
	listener, err := api.Listen(filepath.Join(d.o.RuntimeDir, "control.sock"))
	if err != nil {
		return err
	}
	fetching, err := api.ListenFetches(filepath.Join(d.o.RuntimeDir, "lists.sock"))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	d.resumeAlarm()
	found, err := d.takeover(ctx, first.config.Sinks.File)
	if err == nil {
		err = d.putFirst(ctx, first, found)
	}
	if err != nil {
		return errors.Join(err, listener.Close(), fetching.Close())
	}
	d.group.Go(func() error { return api.Serve(d.work, listener, d, d.log) })
	d.group.Go(func() error { return api.ServeFetches(d.work, fetching, d, d.log) })
	d.group.Go(d.keepAccounts)
	d.group.Go(d.keepTable)
	d.group.Go(d.keepBans)
	d.group.Go(d.keepPeers)
	d.group.Go(d.keepSightings)
	d.group.Go(d.keepDomains)
	d.group.Go(d.keepForeign)
	d.group.Go(d.keepSchedules)
	d.group.Go(d.keepDates)
	d.group.Go(d.keepEarly)
	d.group.Go(d.keepMemory)
	d.group.Go(d.feedWatchdog)
	d.tellResumed(first)
	// Whoever asks once it is ready learns of it.
	d.watchSinks()
	if err := d.notify.Ready(d.statusText()); err != nil {
		d.log.Warn("service manager not told", "error", err)
	}
	f := d.force.Load()
	d.log.Info("policy in force", append(f.attrs(), "took", time.Since(began).Round(time.Millisecond))...)
	// Slow ones come after: nobody has to wait for them.
	d.warn(ctx)
	return nil
}

// bootID names this run of the kernel.
func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return string(id[:len(id)-1]), nil
}
