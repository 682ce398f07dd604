package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pfw/config/policy"
)

// write makes a file, with the directories above it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whoever has a file checked does not learn from the answer what lies outside of the directories that pfw reads.
func TestAnswerDoesNotTellWhichFilesThereAre(t *testing.T) {
	dir := t.TempDir()
	home, there, missing := filepath.Join(dir, "pfw"), filepath.Join(dir, "other/there"), filepath.Join(dir, "other/lost/gone")
	write(t, filepath.Join(home, "firewall.toml"), "")
	write(t, there, "10.0.0.1\n")
	if err := os.Symlink(home, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{there, missing, "../other/there", "../other/gone", "lists/../../other/gone", "/nowhere/at/all"} {
		text := "[list.x]\nfile = \"" + path + "\"\n"
		for _, root := range []string{home, filepath.Join(dir, "link")} {
			_, err := Load(filepath.Join(root, "firewall.toml"), Options{Text: &text, Control: true})
			if err == nil || !strings.Contains(err.Error(), "lies outside of the directories") {
				t.Errorf("%s from %s: %v", path, root, err)
			}
		}
	}
	// By its real name and by that of a link a file beneath is found.
	write(t, filepath.Join(home, "x"), "10.0.0.1\n")
	for _, root := range []string{home, filepath.Join(dir, "link")} {
		for _, path := range []string{"x", "../pfw/x", filepath.Join(home, "x"), filepath.Join(root, "x")} {
			text := "[list.x]\nfile = \"" + path + "\"\n"
			if _, err := Load(filepath.Join(root, "firewall.toml"), Options{Text: &text, Control: true}); err != nil {
				t.Errorf("%s from %s: %v", path, root, err)
			}
		}
	}
}

// A firewall.toml that is a link to somewhere else keeps its errors to itself, but counts them as a person does.
func TestErrorsOfALinkAreCounted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pfw/firewall.toml")
	for text, want := range map[string]string{
		"x = 5\n":        "the file has an error; it is a link to somewhere else, so it is not shown here",
		"x = 5\ny = 5\n": "the file has 2 errors; it is a link to somewhere else, so they are not shown here",
	} {
		write(t, filepath.Join(dir, "elsewhere.toml"), text)
		write(t, filepath.Join(dir, "pfw/x"), "")
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.Symlink("../elsewhere.toml", path); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, Options{Control: true}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "x = 5") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A member of group pfw may put links beneath the directory, and is to learn nothing by them either.
func TestLinksDoNotTellWhichFilesThereAre(t *testing.T) {
	dir := t.TempDir()
	home := filepath.Join(dir, "pfw")
	write(t, filepath.Join(home, "firewall.toml"), "")
	write(t, filepath.Join(dir, "other/there"), "10.0.0.1\n")
	text := "[list.x]\nfile = \"link\"\n"
	for _, to := range []string{"../other/there", "../other/gone", "../other/there/beneath", "../gone/at/all", filepath.Join(dir, "other/gone")} {
		link := filepath.Join(home, "link")
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		_, err := Load(filepath.Join(home, "firewall.toml"), Options{Text: &text, Control: true})
		if err == nil || !strings.Contains(err.Error(), "lies outside of the directories") || strings.Contains(err.Error(), "other") {
			t.Errorf("link to %s: %v", to, err)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(filepath.Join(home, "firewall.toml"), Options{Text: &text, Control: true}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a file that is missing: %v", err)
	}
}

// The names of files are theirs who may see the directory.
func TestMoreRuleFilesLieBeneath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pfw/firewall.toml")
	write(t, path, "")
	write(t, filepath.Join(dir, "other/confidential.toml"), "")
	if err := os.Symlink("../other", filepath.Join(dir, "pfw/firewall.d")); err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, o := range []Options{{}, {Control: true}, {Text: &text, Control: true}} {
		if _, err := Load(path, o); err == nil || !errors.Is(err, ErrOutside) || strings.Contains(err.Error(), "confidential") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := ReadRuleFiles(path, Disk()); !errors.Is(err, ErrOutside) {
		t.Error(err)
	}
}

// Who loads a rule file for a whole machine does not wait for whoever writes to a pipe; a person may well: pfw check <(…).
func TestRuleFileThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, path := filepath.Join(dir, "pipe"), filepath.Join(dir, "pfw/firewall.toml")
	write(t, filepath.Join(dir, "pfw/x"), "")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{pipe, "/dev/zero", "/dev/null"} {
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{{}, {Control: true}} {
			if _, err := Load(path, o); err == nil || !strings.Contains(err.Error(), "is no regular file") {
				t.Errorf("%s: %v", target, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		// It waits for the reader.
		if err := os.WriteFile(pipe, []byte("[default]\ninbound = \"reject\"\n"), 0); err != nil {
			t.Error(err)
		}
	}()
	c, err := Load(pipe, Options{Source: Disk()})
	if err != nil || c.Policy.Defaults().Inbound != policy.Reject {
		t.Errorf("%v", err)
	}
}
