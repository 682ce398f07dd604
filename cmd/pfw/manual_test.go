package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manuals is where the pages are that packages install.
const manuals = "../../packaging/man"

// The pages of pfw say what --help does, as both come from the commands themselves. Write them anew with -update.
func TestManualPages(t *testing.T) {
	t.Setenv("PFW_SOCKET", "")
	dir := t.TempDir()
	root := (&app{}).root()
	document(root)
	date := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: "pfw", Manual: "pfw personal firewall"}, dir); err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, path := range pagesIn(t, dir) {
		pages[filepath.Base(path)] = also(t, path)
	}
	if *update {
		for _, path := range pagesIn(t, manuals) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range pages {
			if err := os.WriteFile(filepath.Join(manuals, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := map[string]string{}
	for _, path := range pagesIn(t, manuals) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kept[filepath.Base(path)] = string(text)
	}
	if diff := cmp.Diff(pages, kept); diff != "" || len(pages) < 8 {
		t.Errorf("%s (go test ./cmd/pfw -run TestManualPages -update writes them anew):\n%s", manuals, diff)
	}
}

// document leaves out what is no verb, the shells that a completion is for, and help; it lists the verbs, as --help does.
func document(root *cobra.Command) {
	root.DisableAutoGenTag = true
	root.Long += "\n\nVerbs, each with a page of its own:\n\n"
	for _, c := range root.Commands() {
		if c.Name() != "help" && !c.Hidden {
			root.Long += fmt.Sprintf("    %-12s %s\n", c.Name(), c.Short)
		}
	}
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			for _, shell := range c.Commands() {
				shell.Hidden = true
			}
		case "help":
			c.Hidden = true
		}
	}
}

func pagesIn(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "pfw*.1"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// also reads a page and adds the pages of other sections to those to see.
func also(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, see, ok := strings.Cut(string(text), ".SH SEE ALSO\n")
	if !ok {
		t.Fatalf("%s has no SEE ALSO", path)
	}
	return head + ".SH SEE ALSO\n" + strings.TrimRight(see, "\n") + ", \\fBpfwd(8)\\fP, \\fBfirewall.toml(5)\\fP\n"
}

// Every verb has what a page wants: one line, and a worked example.
func TestEveryVerbHasAnExample(t *testing.T) {
	verbs := (&app{}).root().Commands()
	for _, c := range verbs {
		if c.Name() == "help" || c.Hidden {
			continue
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || !strings.Contains(c.Example, "pfw "+c.Name()) {
			t.Errorf("pfw %s: short %q, example %q", c.Name(), c.Short, c.Example)
		}
	}
	if len(verbs) < 8 {
		t.Errorf("%d verbs", len(verbs))
	}
}
