package enforce

import (
	"context"
	"log/slog"

	"pfw/config/policy"
)

// TableOptions says how to open the table.
type TableOptions struct {
	// StateDir is where what was put in force last is recorded, for the next process to compare with. "" records nothing.
	StateDir string
	Log      *slog.Logger
	// WithoutOwner does not ask the kernel to keep others off the table, as kernels before 6.9 cannot.
	WithoutOwner bool
}

// Table is the kernel table inet pfw. Its methods may be called from any goroutine.
type Table struct{}

// Applied is the outcome of Apply.
type Applied struct {
	// Generation is the kernel's number of the ruleset, which moves with every change of any table.
	Generation uint64
	// Retired holds the last reading of the counters of rules that are gone.
	Retired map[policy.Name]RuleCounters
}

// Open connects to the kernel. The table is neither read nor changed yet.
func Open(o TableOptions) (*Table, error) { return &Table{}, nil }

// Takeover looks whether the table of an earlier process is there and, where it is, makes it this process's own and
// tells in words what differs from what that process left. Nil where nothing differs.
func (t *Table) Takeover(ctx context.Context) (found bool, tampered []string, err error) {
	return false, nil, nil
}

// Apply puts the ruleset in force in place of the last. On an error the last stays.
func (t *Table) Apply(ctx context.Context, r Ruleset) (Applied, error) { return Applied{}, nil }

// Changed tells whether any ruleset of the kernel was changed since this Table changed its own last: cheap, and a
// reason to ask Verify.
func (t *Table) Changed(ctx context.Context) (bool, error) { return false, nil }

// Verify tells in words what differs from what was put in force. Nil where nothing differs.
func (t *Table) Verify(ctx context.Context) ([]string, error) { return nil, nil }

// Counters reads all counters.
func (t *Table) Counters(ctx context.Context) (Counters, error) { return Counters{}, nil }

// Owned tells whether the kernel keeps others off the table.
func (t *Table) Owned() bool { return false }

// Remove deletes the table.
func (t *Table) Remove(ctx context.Context) error { return nil }

// Close leaves the table in force and closes the connection to the kernel.
func (t *Table) Close() error { return nil }
