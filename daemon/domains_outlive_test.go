package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pfw/e2e/hosts"
)

// What is known outlives reloads, a crash, and a stop, while nobody can be asked any more.
func TestNamesOutliveTheProcess(t *testing.T) {
	local, remote := named(t, "192.0.2.50")
	z := serveNames(t, remote, map[string][]string{"www.tracker.example": {"192.0.2.50"}})
	listen(t, remote, ":80")
	d := hosts.Run(t, local, namesRules)
	ask(t, local, "udp", "www.tracker.example")
	blocked := func() bool { return !connects(t, local, "192.0.2.50:80") }
	eventually(t, "it is blocked", limit, blocked)
	z.set("www.tracker.example")
	reload(t, d)
	if !blocked() {
		t.Error("not blocked after a reload")
	}
	// Other names beside it: another set.
	edit(t, d, strings.Replace(namesRules, "\"domain:ads.example.com\"", "\"domain:other.example.com\"", 1))
	reload(t, d)
	if !blocked() {
		t.Error("not blocked by a rule that names it with others")
	}
	eventually(t, "it is saved", 2*limit, func() bool {
		text, err := os.ReadFile(filepath.Join(d.Dir, "state", "names.json"))
		return err == nil && strings.Contains(string(text), "192.0.2.50")
	})
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked while no pfwd runs")
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked after a crash")
	}
	if entries, err := d.Entries(); err != nil || slices.ContainsFunc(entries, func(e hosts.Entry) bool { return e.EventType == "tamper" }) {
		t.Errorf("%v, or the table is said to be tampered with", err)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if blocked() {
		t.Error("blocked by a firewall that is off")
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked after a stop")
	}
	// At a start with a bad file the last good policy knows it.
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	edit(t, d, bad)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked by the last good policy")
	}
}
