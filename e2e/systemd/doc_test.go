// Package systemd_test installs pfw on machines that systemd boots, and looks on as an administrator would: systemctl,
// journalctl, packets. Each machine is a container on a throw-away overlay, its network a test host's. Needs root,
// systemd-nspawn, and the Debian root that packaging/bootstrap makes.
package systemd_test

import (
	"fmt"
	"net"
	"os"
	"testing"

	"pfw/e2e/hosts"
)

// envSSHD makes the test binary a server at that address.
const envSSHD = "PFW_SYSTEMD_TEST_SSHD"

func TestMain(m *testing.M) {
	if address := os.Getenv(envSSHD); address != "" {
		os.Exit(sshd(address))
	}
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "booting systemd needs root")
		if os.Getenv("CI") == "true" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	hosts.Main(m)
}

// sshd holds whatever connects; as a file of that name it is an ssh server to whoever looks at processes.
func sshd(address string) int {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var held []net.Conn
	for {
		conn, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		held = append(held, conn)
		fmt.Fprintln(conn, "held", len(held))
	}
}
