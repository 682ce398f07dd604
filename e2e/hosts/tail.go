package hosts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Tail reads a daemon's audit log as it grows, each entry once. It follows the
// file that pfwd writes to and not those that are rotated away: for tests that
// write less than [log] max_size.
type Tail struct {
	path   string
	offset int64
}

// Tail begins at the end of the audit log as it is now.
func (d *Daemon) Tail() (*Tail, error) {
	t := &Tail{path: d.Log}
	info, err := os.Stat(d.Log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("find the end of the audit log: %w", err)
	}
	if err == nil {
		t.offset = info.Size()
	}
	return t, nil
}

// Next is what was written since the last call, in the order of the file.
func (t *Tail) Next() ([]Entry, error) {
	f, err := os.Open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, t.offset, 1<<62))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	var all []Entry
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		e := Entry{Line: string(line)}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s at %d: %w: %s", t.path, t.offset, err, line)
		}
		all = append(all, e)
	}
	t.offset += int64(len(text))
	return all, nil
}
