package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// logAllowed is the rule file with allowed connections in the log too, so that
// both kinds show; everything else stays as shipped.
func logAllowed(config string) string {
	var out strings.Builder
	found := false
	for line := range strings.Lines(config) {
		key, _, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) == "allowed" {
			continue
		}
		out.WriteString(line)
		if strings.HasPrefix(strings.TrimSpace(line), "[log]") {
			out.WriteString("allowed = true\n")
			found = true
		}
	}
	if !found {
		out.WriteString("\n[log]\nallowed = true\n")
	}
	return out.String()
}

// copyLists copies the list files beside one rule file to beside another, where
// there are any.
func copyLists(from, to string) error {
	from, to = filepath.Join(filepath.Dir(from), "lists"), filepath.Join(filepath.Dir(to), "lists")
	if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copy lists: %w", err)
	}
	return nil
}
