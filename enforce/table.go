package enforce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ti-mo/conntrack"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TableOptions says how to open the table.
type TableOptions struct {
	// StateDir is where what was put in force last is recorded, for the next process to compare with. "" records nothing.
	StateDir string
	// Log gets what no method returns. nil is silence.
	Log *slog.Logger
	// WithoutOwner does not ask the kernel to keep others off the table, as kernels before 6.9 cannot.
	WithoutOwner bool
}

// Table is the kernel table inet pfw, in the network namespace of the thread that opened it. Its methods may be called
// from any goroutine; one runs at a time.
type Table struct {
	options TableOptions
	log     *slog.Logger

	mu        sync.Mutex
	socket    *socket
	conntrack *conntrack.Conn
	routes    *netlink.Handle
	transit   *transit
	owned     bool
	// ready says that the table is there and, where the kernel can, this process's own.
	ready bool
	// last is the table as it was when it was read last: nil where we know nothing of it. left is how Apply left it.
	last, left *snapshot
	// unfinished says that the record tells of a change that is under way.
	unfinished bool
	// moved says that the ruleset of some table changed in a way that is not ours since last was read.
	moved bool
	// held maps contents to the set that holds them in the kernel, for sets that are as they were loaded.
	held map[string]string
	// kept maps chains to the hash of their rules, for chains that are as they were made.
	kept map[string]string
	// logged is the ruleset's.
	logged map[string]bool
	// hashes are those of long lists in the ruleset, by their contents, for a change in place.
	hashes map[string]*set
	// applied is what tells the ruleset that Apply left in force, nil where it is none.
	applied *byte
	// counts is the length of each set, for reading back.
	counts map[string]int
	// full are sets of names that had no room, until when nothing new is put there.
	full map[string]time.Time
	// rules is how many there are to be.
	rules int
}

// Open connects to the kernel. The table is neither read nor changed yet. It should come early in a process: the
// connection must be one of the first 1,024 open files.
func Open(o TableOptions) (*Table, error) {
	t := &Table{options: o, log: o.Log, full: map[string]time.Time{}}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if t.socket, err = dial(); err != nil {
		return nil, err
	}
	if t.conntrack, err = conntrack.Dial(nil); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to conntrack: %w", err), t.socket.close())
	}
	if t.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to routing: %w", err), t.conntrack.Close(), t.socket.close())
	}
	if t.transit, err = dialTransit(); err != nil {
		t.routes.Close()
		return nil, errors.Join(err, t.conntrack.Close(), t.socket.close())
	}
	t.forget()
	return t, nil
}

// forget drops what is known of the table.
func (t *Table) forget() {
	t.ready, t.owned, t.last, t.left = false, false, nil, nil
	t.held, t.kept, t.counts, t.logged, t.hashes, t.applied = map[string]string{}, map[string]string{}, map[string]int{}, map[string]bool{}, nil, nil
}

// Owned tells whether the kernel keeps others off the table.
func (t *Table) Owned() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owned
}

// Changed tells whether the ruleset of any table was changed, by another, since the last Apply or Verify: cheap, and a
// reason to ask Verify.
func (t *Table) Changed(ctx context.Context) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return t.changed()
}

// Generation is the kernel's number of the ruleset, which rises with every change of any table.
func (t *Table) Generation() (uint32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.socket.generation()
}

func (t *Table) changed() (bool, error) {
	if t.last == nil || t.moved {
		return true, nil
	}
	now, err := t.socket.generation()
	return now != t.last.Generation, err
}

// change commits a batch of ours, and keeps account of the generation: a step that is not ours is a change by another.
func (t *Table) change(ctx context.Context, b *batch) error {
	return t.changeBy(func() error { return t.socket.commit(ctx, b) })
}

func (t *Table) changeBy(commit func() error) error {
	before, err := t.socket.generation()
	if err != nil {
		return err
	}
	failed := commit()
	after, err := t.socket.generation()
	if err != nil {
		return errors.Join(failed, err)
	}
	if failed == nil && after == before {
		failed = errors.New("the kernel took the transaction and did nothing")
	}
	if t.last != nil {
		t.moved = t.moved || before != t.last.Generation || after-before > 1
		t.last.Generation = after
	}
	return failed
}

// The table's flags: NFT_TABLE_F_OWNER and NFT_TABLE_F_PERSIST (include/uapi/linux/netfilter/nf_tables.h). Never the first
// alone: the table would vanish with the process.
const flagOwner, flagPersist = 0x2, 0x4

func (t *Table) flags() uint32 {
	if t.owned {
		return flagOwner | flagPersist
	}
	return 0
}

// makeReady makes the table this process's own: it adds it, or adopts that of a process that has ended.
func (t *Table) makeReady(ctx context.Context) error {
	if t.ready {
		return nil
	}
	t.owned = !t.options.WithoutOwner
	err := t.addTable(ctx)
	// Kernels before 6.9 know no persist; a table that was made without it never gets it.
	if t.owned && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)) {
		if err = t.seize(ctx); err != nil {
			t.owned = false
			err = t.addTable(ctx)
		}
	}
	if errors.Is(err, unix.EPERM) {
		if there, _ := t.socket.table(); there != nil && there.Owner != 0 && there.Owner != t.socket.nl.PID() {
			return fmt.Errorf("table inet %s belongs to another process (netlink port %d): does another pfwd run? %w", tableName, there.Owner, err)
		}
	}
	t.ready = err == nil
	return err
}

func (t *Table) addTable(ctx context.Context) error {
	var b batch
	b.addTable(t.flags())
	return t.socket.commit(ctx, &b)
}

// Remove deletes the table: the firewall is off. Where there is none, that is no error.
func (t *Table) Remove(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b batch
	b.addTable(t.flags())
	b.deleteTable()
	if err := t.socket.commit(ctx, &b); err != nil {
		return fmt.Errorf("remove table inet %s: %w", tableName, err)
	}
	t.forget()
	if err := t.dropRecord(); err != nil {
		// Off is off. Where there is no table, the next process does not ask what was left.
		t.log.Warn("the table is removed, its record is not", "error", err)
	}
	return nil
}

// Close leaves the table in force and closes the connection to the kernel.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.routes.Close()
	return errors.Join(t.transit.close(), t.conntrack.Close(), t.socket.close())
}
