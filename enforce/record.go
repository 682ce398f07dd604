package enforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// recordName is the file in the state directory that tells what was put in force last.
const recordName = "table.json"

// recordForm rises where the same table would be recorded otherwise than before.
const recordForm = 2

// left is what a process leaves for the next to compare with.
type left struct {
	snapshot
	// Form is recordForm of who wrote it.
	Form     int      `json:"form"`
	Counters []string `json:"counters"`
	// Unfinished says that the process was about to change the table, and may or may not have.
	Unfinished bool `json:"unfinished,omitempty"`
}

func (t *Table) recordPath() string { return filepath.Join(t.options.StateDir, recordName) }

// record writes down what is in force. Not to the disk for good: a machine that goes down takes the table with it.
func (t *Table) record() error {
	err := error(nil)
	if t.left == nil {
		err = t.dropRecord()
	} else {
		err = t.write(left{snapshot: *t.left, Counters: slices.Sorted(maps.Keys(t.left.counters))})
	}
	t.unfinished = err != nil
	return err
}

// recordUnfinished writes down that the table is about to be changed, so that a process that ends in between is not taken
// for somebody who tampers.
func (t *Table) recordUnfinished() {
	if t.unfinished {
		return
	}
	t.unfinished = true
	if err := t.write(left{Unfinished: true}); err != nil {
		t.log.Warn("that a ruleset is about to be swapped is not recorded", "error", err)
	}
}

func (t *Table) write(l left) error {
	if t.options.StateDir == "" {
		return nil
	}
	l.Form = recordForm
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("record table: %w", err)
	}
	next := t.recordPath() + "~"
	if err := errors.Join(os.WriteFile(next, data, 0o600), os.Rename(next, t.recordPath())); err != nil {
		return fmt.Errorf("record table: %w", err)
	}
	return nil
}

// recorded reads what an earlier process left; nil where it left nothing.
func (t *Table) recorded() (*left, error) {
	if t.options.StateDir == "" {
		return nil, nil
	}
	data, err := os.ReadFile(t.recordPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var l left
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil {
		return nil, fmt.Errorf("read record of table: %w", err)
	}
	l.counters = map[string]Counter{}
	for _, name := range l.Counters {
		l.counters[name] = Counter{}
	}
	return &l, nil
}

func (t *Table) dropRecord() error {
	if t.options.StateDir == "" {
		return nil
	}
	if err := os.Remove(t.recordPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("drop record of table: %w", err)
	}
	return nil
}
