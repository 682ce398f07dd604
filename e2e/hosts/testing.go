package hosts

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Main is TestMain's body: it runs the tests isolated and exits with their code.
// A machine that allows no namespaces fails the tests; nothing is skipped.
func Main(m *testing.M) {
	code, err := Isolated(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hosts:", err)
	}
	os.Exit(code)
}

// New makes one host, closed at the end of the test.
func New(t testing.TB, name string) *Host {
	t.Helper()
	h, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, h)
	return h
}

// Cable is Join for a test.
func Cable(t testing.TB, a, b End) {
	t.Helper()
	if err := Join(a, b); err != nil {
		t.Fatal(err)
	}
}

// Pair makes two hosts with a cable between them, each with an interface eth0:
// local has 192.0.2.10/24 and 2001:db8::10/64, remote has 192.0.2.7/24 and
// 2001:db8::7/64.
func Pair(t testing.TB) (local, remote *Host) {
	t.Helper()
	local, remote = New(t, "local"), New(t, "remote")
	Cable(t, End{local, "eth0", Addresses("192.0.2.10/24", "2001:db8::10/64")},
		End{remote, "eth0", Addresses("192.0.2.7/24", "2001:db8::7/64")})
	return local, remote
}

// Inject is NewInjector for a test, from eth0 of a host to eth0 of the one at the
// other end of its cable.
func Inject(t testing.TB, from, to *Host) *Injector {
	t.Helper()
	mac, err := to.Hardware("eth0")
	if err != nil {
		t.Fatal(err)
	}
	in, err := from.NewInjector("eth0", mac)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Errorf("close injector: %v", err)
		}
	})
	return in
}

// Routed is CreateRouted for a test.
func Routed(t testing.TB) (left, router, right *Host) {
	t.Helper()
	left, router, right, err := CreateRouted()
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, left, router, right)
	return left, router, right
}

func closeAfter(t testing.TB, all ...*Host) {
	t.Cleanup(func() {
		for _, h := range all {
			if err := h.Close(); err != nil {
				t.Errorf("close host %s: %v", h.Name, err)
			}
		}
	})
}

// Need skips the test where a tool is missing, and fails it where CI=true, as
// nothing may go untested there unseen.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("a tool is missing: %v", err)
			}
			t.Skipf("a tool is missing: %v", err)
		}
	}
}

// Run starts a real pfwd on a host with a rule file, built from this tree, and
// waits until it is ready. It ends with the test; a failed test shows what pfwd
// wrote.
func Run(t testing.TB, h *Host, config string) *Daemon {
	t.Helper()
	d := Prepare(t, h, config)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// Prepare is Run without the start.
func Prepare(t testing.TB, h *Host, config string) *Daemon {
	t.Helper()
	d, err := NewDaemon(h, Build(t, "./cmd/pfwd"), Build(t, "./cmd/pfw"), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("pfwd wrote:\n%s", d.stderrTail())
		}
		if err := d.Close(); err != nil {
			t.Errorf("close pfwd: %v", err)
		}
	})
	return d
}
