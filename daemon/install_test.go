package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestInstallKeepsTheOldFileAndWhatItIsLike(t *testing.T) {
	const gid = 4242
	dir := t.TempDir()
	path := filepath.Join(dir, "firewall.toml")
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(name, want string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	write("firewall.toml", "first", 0o640)
	write("firewall.toml~", "older", 0o600)
	group := os.Chown(path, -1, gid) == nil
	if err := install(path, []byte("second")); err != nil {
		t.Fatal(err)
	}
	holds("firewall.toml", "second")
	holds("firewall.toml~", "first")
	for _, name := range []string{"firewall.toml", "firewall.toml~"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o640 || group && info.Sys().(*syscall.Stat_t).Gid != gid {
			t.Errorf("%s: %v %+v, %v", name, info.Mode(), info.Sys(), err)
		}
	}

	// The same again leaves what is kept alone.
	if err := install(path, []byte("second")); err != nil {
		t.Fatal(err)
	}
	holds("firewall.toml~", "first")

	// A link stays one.
	link := filepath.Join(dir, "link.toml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := install(link, []byte("third")); err != nil {
		t.Fatal(err)
	}
	holds("firewall.toml", "third")
	holds("firewall.toml~", "second")
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link leads to %q, %v", target, err)
	}

	// Where there was none, one is made.
	if err := install(filepath.Join(dir, "new.toml"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	holds("new.toml", "new")

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left", e.Name())
		}
	}
	if err := install(filepath.Join(dir, "none", "firewall.toml"), nil); err == nil || !strings.HasPrefix(err.Error(), "install rule file: ") {
		t.Errorf("without a directory: %v", err)
	}
}
