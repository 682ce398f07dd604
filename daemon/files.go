package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile writes a file so that a crash leaves the old one or the new one, whole.
func replaceFile(path string, write func(io.Writer) error) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		// On a full disk, what is half written would only be in the way.
		return fmt.Errorf("save %s: %w", path, errors.Join(err, os.Remove(tmp)))
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// saveJSON writes a value as replaceFile does.
func saveJSON(path string, v any) error {
	return replaceFile(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
}

// removeFile removes a file for good, so that it is not there again after a crash. One that is not there is no error.
func removeFile(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

// syncDir makes what was renamed or removed in a directory last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
