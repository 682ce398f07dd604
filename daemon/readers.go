package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pfw/config/policy"
	"pfw/enforce/nflog"
)

// readers read the nflog groups that the policy in force logs to.
type readers struct {
	d *Daemon
	// reading is the readers' context, logging the audit log's: at the end what the kernel still has is read, and what
	// was read is written.
	reading, logging         context.Context
	stopReading, stopLogging context.CancelFunc

	mu     sync.Mutex
	groups map[uint16]*nflog.Reader
	// retired are no longer logged to; what the kernel has of them is read for a while.
	retired map[uint16]time.Time
	// lostBefore is what readers that are closed have lost.
	lostBefore uint64
	// watching counts those who want to see allowed connections that are not logged.
	watching int
	// ended is set once nothing more is to be read.
	ended bool
}

func newReaders(d *Daemon) *readers {
	r := &readers{d: d, groups: map[uint16]*nflog.Reader{}, retired: map[uint16]time.Time{}}
	background := context.Background()
	r.reading, r.stopReading = context.WithCancel(background)
	r.logging, r.stopLogging = context.WithCancel(background)
	return r
}

// groupsOf lists the groups that are to be read for a policy. That of allowed connections is bound only while somebody
// wants to know of them, as the kernel's work for it is for nothing else.
func groupsOf(p *policy.Policy, watching bool) []uint16 {
	group := p.Log().Group
	for _, b := range booksOf(p) {
		watching = watching || b.logs && b.action == policy.Allow
	}
	if watching {
		return []uint16{group, group + 1}
	}
	return []uint16{group}
}

// open binds the groups that the policy logs to and that are not bound yet.
func (r *readers) open(p *policy.Policy) (opened []uint16, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.openLocked(p)
}

func (r *readers) openLocked(p *policy.Policy) (opened []uint16, err error) {
	for _, group := range groupsOf(p, r.watching > 0) {
		if _, ok := r.groups[group]; ok {
			delete(r.retired, group)
			continue
		}
		reader, err := nflog.Open(group, r.d.log)
		if errors.Is(err, nflog.ErrGroupTaken) {
			err = fmt.Errorf("%w; end it, or choose another with [log] group", err)
		}
		if err != nil {
			r.closeLocked(opened)
			return nil, fmt.Errorf("read the kernel's log: %w", err)
		}
		r.groups[group] = reader
		opened = append(opened, group)
		events := r.d.newEvents()
		r.d.group.Go(func() error {
			defer events.owners.close()
			return reader.Run(r.reading, events.logged)
		})
	}
	return opened, nil
}

// retire lets go, in a while, of the groups that the policy does not log to.
func (r *readers) retire(p *policy.Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retireLocked(p)
}

// watch reads the group of allowed connections until ctx ends, also where none is to be logged.
func (r *readers) watch(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.watching++
	if _, err := r.openLocked(r.d.force.Load().policy); err != nil {
		r.d.log.Warn("allowed connections are not shown", "error", err)
	}
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.watching--
		r.retireLocked(r.d.force.Load().policy)
	})
}

func (r *readers) retireLocked(p *policy.Policy) {
	used := map[uint16]bool{}
	for _, group := range groupsOf(p, r.watching > 0) {
		used[group] = true
	}
	for group := range r.groups {
		if _, already := r.retired[group]; !used[group] && !already {
			r.retired[group] = time.Now()
		}
	}
}

// sweep closes the readers of groups that were retired long enough ago for the kernel to have handed over everything.
func (r *readers) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for group, since := range r.retired {
		if now.Sub(since) > 2*time.Second {
			r.closeLocked([]uint16{group})
		}
	}
}

func (r *readers) close(groups []uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeLocked(groups)
}

// closeAll ends all readers; when it returns, nothing more is logged of packets.
func (r *readers) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for group := range r.groups {
		r.closeLocked([]uint16{group})
	}
	r.ended = true
	r.stopReading()
}

func (r *readers) closeLocked(groups []uint16) {
	for _, group := range groups {
		reader := r.groups[group]
		if err := reader.Close(); err != nil {
			r.d.log.Warn("reader of the kernel's log not closed cleanly", "error", err)
		}
		r.lostBefore += reader.Lost()
		delete(r.groups, group)
		delete(r.retired, group)
	}
}

func (r *readers) all() []*nflog.Reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*nflog.Reader, 0, len(r.groups))
	for _, reader := range r.groups {
		out = append(out, reader)
	}
	return out
}

// lost is how many messages are known to be lost from gaps in their numbers.
func (r *readers) lost() int64 {
	r.mu.Lock()
	before := r.lostBefore
	r.mu.Unlock()
	for _, reader := range r.all() {
		before += reader.Lost()
	}
	return int64(before)
}

// alive tells whether all readers go round.
func (r *readers) alive(ctx context.Context) error {
	for _, reader := range r.all() {
		if err := reader.Alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// batch is more than the kernel may hold a message before it hands it over with others: nflog.Open asks for 10 ms.
const batch = 150 * time.Millisecond

// caughtUp tells whether every message of packets that were logged batch or longer ago has been received. A reader
// answers in the order of its socket's queue: where nothing else came between two answers, nothing waits before them.
func (r *readers) caughtUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, reader := range r.all() {
		received, overruns := reader.Received(), reader.Overruns()
		for range 2 {
			if reader.Alive(ctx) != nil {
				return false
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return false
			}
		}
		if received != reader.Received() || overruns != reader.Overruns() {
			return false
		}
	}
	return true
}
