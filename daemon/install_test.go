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
	if err := install(dir, path, []byte("second")); err != nil {
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
	if err := install(dir, path, []byte("second")); err != nil {
		t.Fatal(err)
	}
	holds("firewall.toml~", "first")

	// A link stays one.
	link := filepath.Join(dir, "link.toml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := install(dir, link, []byte("third")); err != nil {
		t.Fatal(err)
	}
	holds("firewall.toml", "third")
	holds("firewall.toml~", "second")
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link leads to %q, %v", target, err)
	}

	// Where there was none, one is made.
	if err := install(dir, filepath.Join(dir, "new.toml"), []byte("new")); err != nil {
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
	if err := install(filepath.Join(dir, "none"), filepath.Join(dir, "none", "firewall.toml"), nil); err == nil || !strings.HasPrefix(err.Error(), "install rule file: ") {
		t.Errorf("without a directory: %v", err)
	}
}

// Who may write to the directory of the rules has pfwd, which reads and writes more than they may, do so there only.
func TestInstallIsNotLedElsewhere(t *testing.T) {
	outside, home := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "shadow")
	for path, text := range map[string]string{secret: "secret", filepath.Join(home, "firewall.toml"): "mine"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, to string) string {
		t.Helper()
		path := filepath.Join(home, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	up, err := filepath.Rel(home, secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		link("absolute.toml", secret), link("relative.toml", up), link("twice.toml", "absolute.toml"), link("none.toml", filepath.Join(outside, "none")),
		link("loop.toml", "loop.toml"), filepath.Join(link("firewall.d", outside), "shadow"),
	} {
		if err := install(home, path, []byte("text")); err == nil {
			t.Errorf("%s: installed", path)
		}
	}
	// Nor by what stands where the old file is kept, or a name that could be guessed.
	link("firewall.toml~", secret)
	if err := install(home, filepath.Join(home, "firewall.toml"), []byte("text")); err != nil {
		t.Error(err)
	}
	if kept, err := os.ReadFile(filepath.Join(home, "firewall.toml~")); err != nil || string(kept) != "mine" {
		t.Errorf("kept %q, %v", kept, err)
	}
	if text, err := os.ReadFile(secret); err != nil || string(text) != "secret" {
		t.Errorf("%q, %v", text, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}
