package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"pfw/e2e/hosts"
)

// fill puts a disk of its own, that is full, where a daemon keeps its state.
func fill(t *testing.T, d *hosts.Daemon) (free func()) {
	t.Helper()
	dir := filepath.Join(d.Dir, "state")
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte("x"), 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}

func TestServiceManagerIsToldOfFaultsAsTheyComeAndGo(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	last := func() (status string) {
		for _, n := range d.Notices() {
			if strings.HasPrefix(n, "STATUS=") {
				status = n
			}
		}
		return status
	}
	if err := os.Remove(d.Log); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.Log, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Hup(); err != nil {
		t.Fatal(err)
	}
	// The directory is where the file should be, so the entry of the reload cannot be written.
	eventually(t, "told", limit, func() bool { return strings.Contains(last(), "the audit file cannot be written") })
	// A policy can be put in force all the same: with a log that is broken one may want to block somebody all the more.
	if err := d.Reload(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(d.Log); err != nil {
		t.Fatal(err)
	}
	eventually(t, "told that it is over", limit, func() bool { return !strings.Contains(last(), "the audit file cannot be written") })
}

// Who asks as soon as it is ready is told.
func TestAuditFileThatCannotBeWrittenIsKnownAtTheStart(t *testing.T) {
	d := hosts.Prepare(t, hosts.New(t, "local"), telnet)
	if err := os.Mkdir(d.Log, 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	if s := pfw(t, d, "status", "--json"); !strings.Contains(s, "the audit file cannot be written") {
		t.Error(s)
	}
}

func TestRemedyForAnAuditFileOfSomebodyElse(t *testing.T) {
	err := &os.PathError{Op: "open", Path: "/var/log/pfw/audit.jsonl", Err: unix.EACCES}
	if got := fileRemedy(err.Path, fmt.Errorf("audit file: %w", err)); !strings.Contains(got, "chown pfw: /var/log/pfw/audit.jsonl ") {
		t.Error(got)
	}
}

func TestHalfWrittenFilesAreTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	full := errors.New("disk full")
	if err := replaceFile(path, func(io.Writer) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 0 {
		t.Error(err, left)
	}
}

func TestDamagedNumberOfThePolicyIsNotPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "generation")
	for _, c := range []struct {
		text string
		want uint64
		bad  bool
	}{{"7\n", 7, false}, {"", 0, true}, {"\x98\xff\x00", 0, true}, {"-1", 0, true}, {"18446744073709551615", 0, true}} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := readGeneration(path)
		if n != c.want || (err != nil) != c.bad || err != nil && strings.ContainsAny(err.Error(), `"\`) {
			t.Errorf("%q: %d, %v", c.text, n, err)
		}
	}
	if n, err := readGeneration(path + "x"); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestFullDiskKeepsNoFirewallFromStartingOrReloading(t *testing.T) {
	local, remote := hosts.Pair(t)
	listen(t, local, ":80")
	d := hosts.Prepare(t, local, telnet)
	free := fill(t, d)
	start(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("nothing is blocked")
	}
	s, err := d.Pfw("status")
	if err != nil || !strings.Contains(s, "state directory cannot be written") || !strings.Contains(s, "no space left") {
		t.Errorf("%v\n%s", err, s)
	}
	edit(t, d, web)
	reload(t, d)
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("the reload changed nothing")
	}
	free()
	reload(t, d)
	eventually(t, "the fault is over", limit, func() bool {
		s, err := d.Pfw("status", "--json")
		return err == nil && strings.Contains(s, `"state":"ok"`)
	})
	if _, err := os.Stat(lastGood(filepath.Join(d.Dir, "state"))); err != nil {
		t.Error(err)
	}
}

func TestDamagedLastGoodPolicyIsNotTaken(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, telnet)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	path := lastGood(filepath.Join(d.Dir, "state"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	edit(t, d, bad)
	if err := d.Start(); hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "last good policy") || !strings.Contains(err.Error(), "firewall.toml:2:11") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, d)
}

func TestLastGoodPolicyNeedsNothingFromOutside(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Prepare(t, local, "")
	list := filepath.Join(filepath.Dir(d.Config), "bad.netset")
	if err := os.WriteFile(list, []byte("203.0.113.0/24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	edit(t, d, blockAll+"[list.bad]\nfile = \"bad.netset\"\n[[rule]]\nname = \"bad\"\naction = \"block\"\ndirection = \"in\"\nremote = \"@bad\"\n")
	start(t, d)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{list, d.Config} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	start(t, d)
	if text := table(t, local); !strings.Contains(text, "203.0.113.0") {
		t.Errorf("the list's address is not in force:\n%s", text)
	}
	if s, err := d.Pfw("status"); err != nil || !strings.Contains(s, "last good policy") {
		t.Errorf("%v\n%s", err, s)
	}
}
