// Package systemd_test installs pfw on machines that systemd boots, and looks on as an administrator would: systemctl,
// journalctl, packets. Each machine is a container on a throw-away overlay, its network a test host's. Needs root,
// systemd-nspawn, and the Debian root that packaging/bootstrap makes.
package systemd_test

import (
	"fmt"
	"os"
	"testing"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "booting systemd needs root")
		if os.Getenv("CI") == "true" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	hosts.Main(m)
}
