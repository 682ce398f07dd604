package hosts_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"pfw/e2e/hosts"
)

const fake = "./e2e/hosts/testdata/fake"

func newFake(t *testing.T, config string) *hosts.Daemon {
	t.Helper()
	program := hosts.Build(t, fake)
	d, err := hosts.NewDaemon(hosts.New(t, "laptop"), program, program, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(d.Dir); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", d.Dir, err)
		}
	})
	return d
}

func TestDaemonLives(t *testing.T) {
	d := newFake(t, "")
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"start", d.Start},
		{"reload by signal", d.Hup},
		{"kill", d.Kill},
		{"start again", d.Start},
		{"stop", d.Stop},
		{"start for cleanup", d.Start},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if strings.HasPrefix(step.name, "reload") {
			want := []string{"STATUS=2 rules in force", "READY=1", "RELOADING=1", "MONOTONIC_USEC=1", "READY=1"}
			if got := d.Notices(); !slices.Equal(got, want) {
				t.Errorf("notices %q, want %q", got, want)
			}
		}
	}
}

func TestDaemonThatEndsInsteadOfStarting(t *testing.T) {
	d := newFake(t, "")
	d.Env = []string{"PFW_FAKE=bad"}
	err := d.Start()
	if hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "no policy") {
		t.Errorf("got %v, want exit status 1 and what it wrote", err)
	}
}

func TestEntriesLeaveOutTheLineBeingWritten(t *testing.T) {
	d := newFake(t, "[default]\n")
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	all, err := d.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Seq != 7 || all[0].PFW.Rule != "default" {
		t.Errorf("got %+v, want the one whole entry", all)
	}
	if _, err := d.WaitEntry(wait, func(e hosts.Entry) bool { return e.EventType == "drop" }); err != nil {
		t.Error(err)
	}
	if e, err := d.WaitEntry(0, func(e hosts.Entry) bool { return e.Seq == 8 }); err == nil {
		t.Errorf("got %+v, want none", e)
	}
}

func TestPfwShowsHowItFailed(t *testing.T) {
	d := newFake(t, "")
	if out, err := d.Pfw("status", "--json"); err != nil || out != "status --json\n" {
		t.Errorf("status: %q, %v", out, err)
	}
	if err := d.Reload(); hosts.ExitCode(err) != 4 || !strings.Contains(err.Error(), "firewall.toml:1:1: bad") {
		t.Errorf("reload: %v, want exit status 4 and the message", err)
	}
}

func TestConfigLogsIntoTheDaemonsDirectory(t *testing.T) {
	for _, c := range []struct{ name, config, want string }{
		{"no log table", "[default]\ninbound = \"block\"", "[default]\ninbound = \"block\"\n[log]\nfile = \"LOG\"\n"},
		{"other keys stay", "[log] # where\nkeep = 2\nfile = \"/var/log/x\" # there\n[list.a]\nfile = \"a\"\n", "[log] # where\nfile = \"LOG\"\nkeep = 2\n[list.a]\nfile = \"a\"\n"},
	} {
		d := newFake(t, c.config)
		got, err := os.ReadFile(d.Config)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(c.want, "LOG", d.Log); string(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, want)
		}
	}
}
