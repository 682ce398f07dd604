package config

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pfw/config/policy"
)

const useList = "[list.x]\nfile = \"lists/x.txt\"\n"

func TestListFile(t *testing.T) {
	text := "\xef\xbb\xbf# a comment\n\n10.0.0.0/8\r\n  192.0.2.1 ; why\n192.0.2.5-192.0.2.9 # range\n192.0.2.20 - 192.0.2.21\n10.1.0.0/16\n10.1.2.3/16\n2001:db8::1/32\n2001:db8::1-2001:db8::9\n0.0.0.0/8"
	l := load(t, useList, "/etc/pfw/lists/x.txt", text).Lists
	if len(l) != 1 {
		t.Fatal(l)
	}
	got := fmt.Sprint(l[0].Name, l[0].Source, l[0].Entries, l[0].Ranges, l[0].Masked, l[0].Skipped)
	if want := fmt.Sprint("x", "/etc/pfw/lists/x.txt", 9, 6, 2, 0); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, s := range strings.Fields("10.255.0.1 192.0.2.1 192.0.2.7 192.0.2.21 2001:db8::ffff 0.0.0.1") {
		if !l[0].Set.Contains(netip.MustParseAddr(s)) {
			t.Errorf("%s is not in the list", s)
		}
	}
	for _, s := range strings.Fields("11.0.0.0 192.0.2.2 192.0.2.10 192.0.2.19 2001:db9:: 1.0.0.0") {
		if l[0].Set.Contains(netip.MustParseAddr(s)) {
			t.Errorf("%s is in the list", s)
		}
	}
}

func TestLinesThatAreNoAddress(t *testing.T) {
	good := strings.Repeat("192.0.2.1\n", 300)
	c := load(t, useList, "/etc/pfw/lists/x.txt", "example.org\n"+good+"10.0.0.1 some words\n::ffff:1.2.3.4\n")
	if l := c.Lists[0]; l.Skipped != 3 || !slices.Equal(l.SkippedLines, []int{1, 302, 303}) || l.Entries != 300 {
		t.Errorf("%+v", l)
	}
	if w := c.Warnings; len(w) != 1 || place(w[0]) != "2:8: [list.x] file: /etc/pfw/lists/x.txt: 3 of 303 lines skipped, as they are no addresses; the first is line 1" {
		t.Errorf("%v", w)
	}
	for _, c := range []struct{ text, want, hint string }{
		{"example.org\n" + good[:10*98], "2:8: [list.x] file: /etc/pfw/lists/x.txt: 1 of 99 lines are no addresses, more than 1 %, the first is line 1: \"example.org\"", "each line"},
		{good + "0.0.0.0 ads.example.org\n", "2:8: [list.x] file: /etc/pfw/lists/x.txt: line 301 is a line of a hosts file", "names of hosts"},
		{good + "::1 localhost\n", "2:8: [list.x] file: /etc/pfw/lists/x.txt: line 301 is a line of a hosts file", "names of hosts"},
		{good + "127.0.0.1\tlocalhost\n", "2:8: [list.x] file: /etc/pfw/lists/x.txt: line 301 is a line of a hosts file", "names of hosts"},
	} {
		p := refused(t, useList, "/etc/pfw/lists/x.txt", c.text).Problems
		if len(p) != 1 || place(p[0]) != c.want || !strings.Contains(p[0].Hint, c.hint) {
			t.Errorf("got %v (%s), want %s", p, p[0].Hint, c.want)
		}
	}
	load(t, useList, "/etc/pfw/lists/x.txt", "example.org\n"+good[:10*99])
}

func TestPackedList(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte("192.0.2.1\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	const text = "[list.x]\nfile = \"x.gz\"\n"
	if l := load(t, text, "/etc/pfw/x.gz", b.String()).Lists[0]; l.Entries != 1 {
		t.Errorf("%+v", l)
	}
	for _, broken := range []string{"", "192.0.2.1\n", b.String()[:b.Len()-3]} {
		if p := refused(t, text, "/etc/pfw/x.gz", broken).Problems; !strings.Contains(p[0].Message, "unpack /etc/pfw/x.gz: ") {
			t.Errorf("%q: %v", broken, p)
		}
	}
}

func TestListOfAFileInFirewallD(t *testing.T) {
	const text = "[list.x]\nfile = \"x.txt\"\n[list.y]\nfile = \"../lists/y.txt\"\n[list.lan]\nentries = [\"192.0.2.0/24\"]\n"
	c := load(t, inRule("in", `remote = ["@x", "@y"]`)+strings.Replace(inRule("in", `remote = "@lan"`), `"a"`, `"b"`, 1),
		"/etc/pfw/firewall.d/a.toml", text, "/etc/pfw/firewall.d/x.txt", "10.0.0.1", "/etc/pfw/lists/y.txt", "10.0.0.2")
	var names []string
	for _, l := range c.Lists {
		names = append(names, l.Name+" "+l.Source)
	}
	if want := "x /etc/pfw/firewall.d/x.txt, y /etc/pfw/lists/y.txt, lan entries"; strings.Join(names, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(names, ", "), want)
	}
	m, _ := c.Policy.Rule("b").Match(policy.In)
	if m.Source.Set().Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("[list.lan] does not replace @lan")
	}
}

func TestBuiltInListIsShownWhereItIsUsed(t *testing.T) {
	if l := load(t, inRule("in", `remote = "@lan"`)).Lists; len(l) != 1 || l[0].Source != "built in" || l[0].Entries != 6 || l[0].Ranges != 6 {
		t.Errorf("%+v", l)
	}
	if l := load(t, "").Lists; l == nil || len(l) > 0 {
		t.Errorf("%+v", l)
	}
}

// A broken list is one mistake, not one more for each rule that names it.
func TestBrokenListIsReportedOnce(t *testing.T) {
	if p := refused(t, "[list.x]\nentries = [\"y\"]\n"+inRule("in", `remote = "@x"`)).Problems; len(p) != 1 {
		t.Error(p)
	}
}

func TestDiskReadsOnlyBeneath(t *testing.T) {
	dir := t.TempDir()
	home, other := filepath.Join(dir, "pfw"), filepath.Join(dir, "other")
	for path, text := range map[string]string{
		home + "/firewall.toml": "[list.x]\nfile = \"lists/x\"\n", other + "/secret": "10.0.0.1\n", home + "/lists/real": "10.0.0.2\n",
		dir + "/pfw-not": "10.0.0.3\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(home+"/lists/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ target, want string }{
		{"real", ""},
		{home + "/lists/real", ""},
		{"../../pfw/lists/real", ""},
		{"../../other/secret", "lies outside"},
		{other + "/secret", "lies outside"},
		{dir + "/pfw-not", "lies outside"},
		{"/dev/null", "lies outside"},
		{"pipe", "is no regular file"},
		{".", "is no regular file"},
		{"missing", "does not exist"},
		{"x", "too many links"},
	} {
		link := home + "/lists/x"
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.Symlink(c.target, link); err != nil {
			t.Fatal(err)
		}
		_, err := Load(home+"/firewall.toml", Options{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("x -> %s: %v, want %q", c.target, err, c.want)
		}
	}
}

// Over the control socket no line of a list file is quoted: whoever may administer the firewall need not be allowed to
// read every file beneath its directories.
func TestControlQuotesNoLineOfAListFile(t *testing.T) {
	for _, secret := range []string{"s3cret\n", "0.0.0.0 s3cret\n", "s3cret\x1b[31m/8\n", "s3cret-s3cret\n"} {
		src := machine(useList, "/etc/pfw/lists/x.txt", secret)
		_, err := Load(rootFile, Options{Source: src, Control: true})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func millionLines() []byte {
	var b bytes.Buffer
	for i := range 1_000_000 {
		// Scattered, so that they are not sorted and do not merge.
		n := uint32(i) * 2654435761
		fmt.Fprintf(&b, "%d.%d.%d.%d\n", byte(n>>24), byte(n>>16), byte(n>>8), byte(n)|1)
	}
	return b.Bytes()
}

func BenchmarkMillionLines(b *testing.B) {
	data := millionLines()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		l, w := parseList(data)
		if w != nil {
			b.Fatal(w)
		}
		l.builder.Set()
	}
}

func TestMillionLinesAreAnOrdinarySize(t *testing.T) {
	if l := load(t, useList, "/etc/pfw/lists/x.txt", string(millionLines())).Lists[0]; l.Entries != 1_000_000 {
		t.Errorf("%d entries", l.Entries)
	}
}

func FuzzListFile(f *testing.F) {
	for _, s := range []string{"10.0.0.1\n", "10.0.0.0/8 # x\n::1\n", "1.2.3.4-1.2.3.9", "0.0.0.0 host", "01.2.3.4", "1.2.3.4/33", "\xef\xbb\xbf;\r\n", "fe80::1%eth0", "::ffff:1.2.3.4/120"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, w := parseList(data)
		if w != nil {
			return
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		if l.entries+len(l.skipped) > lines || l.masked > l.entries {
			t.Errorf("%d lines: %d entries, %d of them masked, %d skipped", lines, l.entries, l.masked, len(l.skipped))
		}
		if s := l.builder.Set(); empty(s) != (l.entries == 0) {
			t.Errorf("%d entries, empty is %t", l.entries, empty(s))
		}
		// The quick way reads a line as the careful one does, or leaves it to that.
		for line := range bytes.Lines(data) {
			line = bytes.TrimSpace(line)
			quick, ok := parseSpan4(line)
			if careful, w := parseSpan(string(line)); ok && (w != nil || careful != quick) {
				t.Errorf("%q: %v and %v (%v)", line, quick, careful, w)
			}
		}
	})
}

// pfwd --config etc/firewall.toml names a file beneath the working directory.
func TestRelativePathIsNoLink(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.MkdirAll("etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("etc/firewall.toml", []byte("bad = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load("etc/firewall.toml", Options{Control: true})
	if err == nil || !strings.Contains(err.Error(), `unknown key "bad"`) {
		t.Error(err)
	}
}
func TestRulesOfAList(t *testing.T) {
	rule := func(name, keys string) string {
		return fmt.Sprintf("[[rule]]\nname = %q\naction = \"block\"\ndirection = \"both\"\n%s\n", name, keys)
	}
	c := load(t, "[list.a]\nentries = \"192.0.2.1\"\n[list.b]\nentries = \"192.0.2.2\"\n"+rule("one", `remote = ["@a", "@a", "@lan"]`+"\n"+`local = "@a"`)+
		rule("two", `remote = ["192.0.2.0/24", "!@b"]`)+rule("off", "enabled = false\nremote = \"@a\""))
	for _, l := range c.Lists {
		if got, want := fmt.Sprint(l.Rules), map[string]string{"a": "[one off]", "b": "[]", "lan": "[one]"}[l.Name]; got != want {
			t.Errorf("@%s: %s, want %s", l.Name, got, want)
		}
	}
}
