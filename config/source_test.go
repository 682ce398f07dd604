package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
