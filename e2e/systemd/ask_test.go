package systemd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// shipped is the example that is installed.
func (b *booted) shipped() string {
	text, err := os.ReadFile(filepath.Join(b.source, "firewall.toml"))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

func (b *booted) has(text, want string) {
	b.t.Helper()
	if !strings.Contains(text, want) {
		b.t.Errorf("%q is not in:\n%s", want, text)
	}
}

func (b *booted) isActive() {
	b.t.Helper()
	if state := b.property("ActiveState") + " " + b.property("SubState"); state != "active running" {
		b.t.Fatalf("pfwd.service is %s", state)
	}
}

// said is what the journal has of pfwd, by arguments of journalctl. What pfwd writes to standard error comes there a
// moment later, so words that it must have are waited for.
func (b *booted) said(word string, args ...string) (text string) {
	b.t.Helper()
	b.await(10*time.Second, fmt.Sprintf("%q in the journal", word), func() bool {
		text = b.journal(args...)
		return strings.Contains(text, word)
	})
	return text
}

func (b *booted) journal(args ...string) string {
	b.t.Helper()
	return b.run("journalctl", append([]string{"--unit=pfwd", "--output=cat", "--quiet"}, args...)...)
}

// isQuiet wants no warning in the journal since the machine was booted.
func (b *booted) isQuiet() {
	b.t.Helper()
	b.said("policy in force", "--boot")
	if said := b.journal("--priority=warning", "--boot"); said != "" {
		b.t.Errorf("something is wrong:\n%s", said)
	}
}

// signal sends a signal to a process of the machine; kill comes with the shell, where there is no such program.
func (b *booted) signal(name, pid string) {
	b.t.Helper()
	b.run("sh", "-c", "kill -"+name+" "+pid)
}

// ruleset is pfw's table, which must be there.
func (b *booted) ruleset() string {
	b.t.Helper()
	out, err := b.local.Command("nft", "list", "table", "inet", "pfw").CombinedOutput()
	if err != nil {
		b.t.Fatalf("the table is not there: %v\n%s", err, out)
	}
	return string(out)
}

func (b *booted) generation() float64 {
	b.t.Helper()
	var status struct{ Generation float64 }
	if err := json.Unmarshal([]byte(b.run("pfw", "status", "--json")), &status); err != nil {
		b.t.Fatalf("pfw status --json: %v", err)
	}
	return status.Generation
}

// cursor is the end of the journal.
func (b *booted) cursor() string {
	b.t.Helper()
	out := b.run("journalctl", "--lines=0", "--show-cursor")
	_, cursor, _ := strings.Cut(out, "-- cursor: ")
	return cursor
}

// journalEntry waits for the entry of pfwd that matches all fields.
func (b *booted) journalEntry(fields ...string) (entry map[string]any) {
	b.t.Helper()
	args := append([]string{"--unit=pfwd", "--output=json", "--lines=1"}, fields...)
	b.await(10*time.Second, strings.Join(args, " "), func() bool {
		out := b.run("journalctl", args...)
		return out != "" && json.Unmarshal([]byte(out), &entry) == nil
	})
	return entry
}
