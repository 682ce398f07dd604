package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// That a name is not there is a notice; that nobody can be asked is wrong.
func TestNamesWithoutAddresses(t *testing.T) {
	local, remote := named(t)
	z := serveNames(t, remote, map[string][]string{})
	d := hosts.Run(t, local, namesRules)
	alone, _ := named(t) // where nobody answers
	other := hosts.Run(t, alone, namesRules)
	tells := func(d *hosts.Daemon, says func(s api.Status) bool) {
		t.Helper()
		eventually(t, "pfw status tells", time.Minute, func() bool { return says(statusOf(t, d)) })
	}
	about := func(f api.Fault) bool { return strings.Contains(f.What, "ads.example.com") && f.Remedy != "" }
	tells(d, func(s api.Status) bool { return s.State == api.OK && slices.ContainsFunc(s.Notices, about) })
	tells(other, func(s api.Status) bool { return s.State == api.Degraded && slices.ContainsFunc(s.Faults, about) })
	z.set("ads.example.com", "198.51.100.1")
	ask(t, local, "udp", "ads.example.com")
	tells(d, func(s api.Status) bool { return s.State == api.OK && !slices.ContainsFunc(s.Notices, about) })
}
