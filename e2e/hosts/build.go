package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binaries are the programs that Program built, under one temporary directory
// that goes when the isolated process ends.
var binaries struct {
	mu   sync.Mutex
	dir  string
	path map[string]string // by package
}

// Program builds a main package of this module, such as "./cmd/pfwd", once per
// process, and returns the path of the binary. Call it isolated.
func Program(pkg string) (string, error) {
	b := &binaries
	b.mu.Lock()
	defer b.mu.Unlock()
	if path, ok := b.path[pkg]; ok {
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "pfw-bin-"); err != nil {
			return "", fmt.Errorf("make directory for binaries: %w", err)
		}
		b.path = make(map[string]string)
	}
	path := filepath.Join(b.dir, filepath.Base(pkg))
	// Version stamps ask git, which refuses where the tree is another user's.
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	b.path[pkg] = path
	return path, nil
}

// Build is Program for a test.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	path, err := Program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// moduleRoot is the nearest directory above that has a go.mod: tests run in the
// directory of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find module: no go.mod in this directory or above")
		}
		dir = filepath.Dir(dir)
	}
}

func removeBinaries() {
	b := &binaries
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir == "" {
		return
	}
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintln(os.Stderr, "hosts: remove binaries:", err)
	}
	b.dir = ""
}
