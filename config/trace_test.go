package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pfw/e2e/mmdb"
)

func TestATraceTellsWhetherALoadWouldReadTheSame(t *testing.T) {
	const names = `
		[list.short]
		file = "short.netset"
		[list.long]
		file = "long.netset"
		[[rule]]
		name = "listed"
		action = "block"
		direction = "in"
		remote = ["@short", "@long", "country:CN"]
		[geoip]
		database = "countries.mmdb"
		`
	for _, c := range []struct {
		what   string
		change func(t *testing.T, dir string)
		same   bool
	}{
		{"nothing", func(*testing.T, string) {}, true},
		{"the same text in another file", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "firewall.toml"), names) }, true},
		{"another text", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "firewall.toml"), names+"\n") }, false},
		{"no file", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "firewall.toml")) }, false},
		{"another file of firewall.d", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "firewall.d/a.toml"), "# other\n") }, false},
		{"one more file of firewall.d", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "firewall.d/b.toml"), "") }, false},
		{"one file less of firewall.d", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "firewall.d/a.toml")) }, false},
		{"another short list", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "short.netset"), "192.0.2.8\n") }, false},
		{"a short list that became long", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "short.netset"), longList(500)) }, false},
		{"another long list", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "long.netset"), longList(1)) }, false},
		{"a long list that became short", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "long.netset"), "192.0.2.7\n") }, false},
		{"another database", func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "countries.mmdb"), countriesOf(t, now, mmdb.In("192.0.2.0/24", "DE")))
		}, false},
		{"no database", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "countries.mmdb")) }, false},
		{"no long list", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "long.netset")) }, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "firewall.d"), 0o755); err != nil {
				t.Fatal(err)
			}
			root := filepath.Join(dir, "firewall.toml")
			put(t, root, names)
			put(t, filepath.Join(dir, "firewall.d/a.toml"), "# one\n")
			put(t, filepath.Join(dir, "short.netset"), "192.0.2.7\n")
			put(t, filepath.Join(dir, "long.netset"), longList(0))
			put(t, filepath.Join(dir, "countries.mmdb"), small(t))
			time.Sleep(200 * time.Millisecond) // beyond the tick of the kernel's clock
			first, err := Load(root, Options{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			c.change(t, dir)
			if got := first.Trace.Same(Regular()); got != c.same {
				t.Errorf("same is %t, want %t", got, c.same)
			}
		})
	}
}

func TestALongListThatWasWrittenJustNowMayBeWrittenAgain(t *testing.T) {
	dir, load := longOnDisk(t)
	if err := os.Chtimes(filepath.Join(dir, "long.netset"), time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if load(nil).Trace.Same(Regular()) {
		t.Error("a file that may change unseen is taken for what it was")
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
