package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
)

// longList is the text of a list file that is long enough not to be held in memory, from the entry numbered first on.
func longList(first int) string {
	var b strings.Builder
	b.WriteString("# A list\n")
	for i := range 80_000 {
		n := first + i
		fmt.Fprintf(&b, "%d.%d.%d.0/25\n", 20+n>>16, n>>8&255, n&255)
	}
	b.WriteString("no address\n2001:db8::/48\n")
	return b.String()
}

const namesLong = "[list.long]\nfile = \"long.netset\"\n[[rule]]\nname = \"long\"\naction = \"block\"\ndirection = \"in\"\nremote = \"@long\"\n"

// longOnDisk writes a rule file with a long list, and gives how to load it.
func longOnDisk(t *testing.T) (dir string, load func(k *Kept) *Config) {
	t.Helper()
	return onDisk(t, map[string]string{"firewall.toml": namesLong, "long.netset": longList(0)})
}

// onDisk writes rule files and what they name, and gives how to load them.
func onDisk(t *testing.T, files map[string]string) (dir string, load func(k *Kept) *Config) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	return dir, func(k *Kept) *Config {
		t.Helper()
		c, err := Load(filepath.Join(dir, "firewall.toml"), Options{Now: now, Kept: k})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// savedAndRead gives a policy back from its snapshot, as it is saved.
func savedAndRead(t *testing.T, c *Config) *Config {
	t.Helper()
	var saved bytes.Buffer
	if err := c.Snapshot.Save(&saved); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSnapshot(&saved)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(s.Path(), Options{Source: s, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestALongListIsReadAgainWhereItChanged(t *testing.T) {
	dir, load := longOnDisk(t)
	path := filepath.Join(dir, "long.netset")
	time.Sleep(200 * time.Millisecond) // beyond the tick of the kernel's clock
	var k Kept
	first := load(&k)
	if l := first.Lists[0]; l.Entries != 80_001 || l.Skipped != 1 || l.SkippedLines[0] != 80_002 || l.Ranges != 80_001 {
		t.Fatalf("list %+v", l)
	}
	if load(&k).Lists[0].Set == first.Lists[0].Set {
		t.Error("a list of a policy that is not in force is kept")
	}
	k.Take(first)
	again := load(&k)
	if again.Lists[0].Set != first.Lists[0].Set || again.Lists[0].Skipped != 1 || len(again.Warnings) != len(first.Warnings) {
		t.Error("a list that did not change is read again, or is another")
	}
	// Of the same length, at the same time by the clock that a person can set.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Replace(longList(0), "20.0.0.0/25", "20.0.0.0/26", 1))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	third := load(&k)
	if third.Lists[0].Set.Contains(netip.MustParseAddr("20.0.0.100")) || !first.Lists[0].Set.Contains(netip.MustParseAddr("20.0.0.100")) {
		t.Error("the list is as it was before it changed")
	}
	// Just written, it may be written again within the same tick.
	k.Take(third)
	if err := os.WriteFile(path, []byte(longList(0)), 0o644); err != nil {
		t.Fatal(err)
	}
	if !load(&k).Lists[0].Set.Contains(netip.MustParseAddr("20.0.0.100")) {
		t.Error("what was written a moment later is not seen")
	}
}

func TestASnapshotHoldsLongLists(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, path string){
		"as it was":  func(*testing.T, string) {},
		"replaced":   func(t *testing.T, path string) { put(t, path, longList(500)) },
		"taken away": func(t *testing.T, path string) { os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, load := longOnDisk(t)
			c := load(nil)
			digest := c.Snapshot.Digest()
			if !c.Snapshot.Long() || load(nil).Snapshot.Digest() != digest {
				t.Error("the snapshot has no long list, or is another each time")
			}
			meanwhile(t, filepath.Join(dir, "long.netset"))
			again := savedAndRead(t, c)
			for _, f := range policy.Families {
				if again.Lists[0].Set.Digest(f) != c.Lists[0].Set.Digest(f) {
					t.Errorf("%s: %d ranges are back, want %d", f, again.Lists[0].Set.Len(f), c.Lists[0].Set.Len(f))
				}
			}
		})
	}
}

func BenchmarkAMillionLines(b *testing.B) {
	var text bytes.Buffer
	for i := range 1_000_000 {
		n := i * 2_654_435_761
		fmt.Fprintf(&text, "%d.%d.%d.%d/%d\n", 1+n>>24&127, n>>16&255, n>>8&255, n&255, 24+i%9)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		t, _, err := scanList(bytes.NewReader(text.Bytes()), "list", int64(text.Len()))
		if err != nil {
			b.Fatal(err)
		}
		t.builder.Set()
	}
}

// What a server sends packed is short, and four bytes of it are an entry.
func TestAListHasAnEnd(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Repeat("1::\n", mostLines) + "# more\n\n", ""},
		{strings.Repeat("1::\n", mostLines+1), "the list has more than 4194304 entries"},
		{strings.Repeat("x\n", mostLines+1), "the list has more than 4194304 entries"},
	} {
		_, w, err := scanList(strings.NewReader(c.text), "list", int64(len(c.text)))
		if err != nil || (w != nil) != (c.want != "") || w != nil && w.message != c.want {
			t.Errorf("%q: %+v, %v", c.text[:4], w, err)
		}
	}
}
