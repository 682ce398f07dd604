package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// files is a Source in memory.
type files map[string]string

func (f files) ReadFile(path string) ([]byte, error) {
	if s, ok := f[path]; ok {
		return []byte(s), nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

func (f files) ReadBeneath(path string, directories []string) ([]byte, error) {
	if !slices.ContainsFunc(directories, func(d string) bool { return strings.HasPrefix(path, d+"/") }) {
		return nil, ErrOutside
	}
	return f.ReadFile(path)
}

func (f files) OpenBeneath(path string, directories []string) (fs.File, error) {
	data, err := f.ReadBeneath(path, directories)
	if err != nil {
		return nil, err
	}
	return FileOf(path, data), nil
}

func (f files) ReadDir(path string, _ []string) ([]string, error) {
	var out []string
	for p := range f {
		if filepath.Dir(p) == path {
			out = append(out, filepath.Base(p))
		}
	}
	return out, nil
}

const rootFile = "/etc/pfw/firewall.toml"

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// machine is a Source with a firewall.toml and the names that tests use.
func machine(text string, more ...string) files {
	f := files{
		rootFile:        text,
		"/etc/passwd":   "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbroken line\nbad:x:many:1::/:/\n",
		"/etc/group":    "root:x:0:\nwheel:x:10:alice\n",
		"/etc/services": "ssh 22/tcp # login\nhttp\t80/tcp www\nftp-data 20/tcp\nexample 7000/udp\ntwo 1/tcp\ntwo 2/udp\nsyslog 514/udp\nzero 0/tcp\nodd 5/ddp\n",
	}
	for i := 0; i < len(more); i += 2 {
		f[more[i]] = more[i+1]
	}
	return f
}

func load(t testing.TB, text string, more ...string) *Config {
	t.Helper()
	c, err := Load(rootFile, Options{Source: machine(text, more...), Now: now})
	if err != nil {
		t.Fatalf("%s\n%s", text, err)
	}
	return c
}

// refused gives the errors of a file that must have some.
func refused(t testing.TB, text string, more ...string) *Errors {
	t.Helper()
	_, err := Load(rootFile, Options{Source: machine(text, more...), Now: now})
	var bad *Errors
	if !errors.As(err, &bad) {
		t.Fatalf("%s\nwant errors, got %v", text, err)
	}
	return bad
}

// inRule puts lines into a rule that is valid but for them. They begin at line 5.
func inRule(direction, lines string) string {
	return fmt.Sprintf("[[rule]]\nname = \"a\"\naction = \"block\"\ndirection = %q\n%s\n", direction, lines)
}
