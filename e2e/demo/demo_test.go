package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) { hosts.Main(m) }

// fresh is the demo as `make demo` has it, with programs built from this tree,
// and what it shows. Its temporary files must be gone in the end.
func fresh(t *testing.T) (demo, *shown) {
	t.Helper()
	out := &shown{}
	d := demo{
		pfwd:   hosts.Build(t, "./cmd/pfwd"),
		pfw:    hosts.Build(t, "./cmd/pfw"),
		config: filepath.Join("..", "..", "firewall.toml"),
		probes: probes,
		screen: &screen{out: out},
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Cleanup(func() {
		left, err := os.ReadDir(temporary)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		if t.Failed() {
			t.Logf("the demo showed:\n%s", out)
		}
	})
	return d, out
}

// shown is a screen that others may read meanwhile.
type shown struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shown) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shown) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// running is a demo that a test acts upon meanwhile.
type running struct {
	shown *shown
	stop  context.CancelFunc
	ended chan struct{}
	err   error // of the demo; read after ended
}

func begin(t *testing.T, d demo, out *shown) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{shown: out, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = d.run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-r.ended
	})
	return r
}

// until waits for a text on the screen.
func (r *running) until(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(r.shown.String(), text) {
		select {
		case <-r.ended:
			t.Fatalf("it ended before it showed %q: %v", text, r.err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (r *running) wait() error {
	<-r.ended
	return r.err
}

func TestEverythingIsAsExpected(t *testing.T) {
	d, out := fresh(t)
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	attempts, after, found := strings.Cut(out.String(), "== pfw status")
	if !found {
		t.Fatal("no status")
	}
	for _, p := range probes {
		if !strings.Contains(attempts, verdicts[p.verdict].word+" ") || !strings.Contains(attempts, p.title) {
			t.Errorf("%s is not shown", p.title)
		}
	}
	for _, want := range []string{"protected since", "faults    none", "== pfw rules", "broadcast-noise", `"event_type":"drop"`,
		"All 20 connections turned out as expected, and pfwd stopped as asked.\n"} {
		if !strings.Contains(after, want) {
			t.Errorf("%q is missing at the end", want)
		}
	}
	for line := range strings.Lines(attempts) {
		if utf8.RuneCountInString(line) > 101 || strings.Contains(line, "WRONG") || strings.Contains(line, "\x1b") {
			t.Errorf("not as a person wants to read it: %s", line)
		}
	}
}

// A demo that cannot fail shows nothing: here the rules are others than those
// that the attempts are made for.
func TestWhatIsNotAsExpectedIsShown(t *testing.T) {
	d, out := fresh(t)
	d.config = filepath.Join(t.TempDir(), "firewall.toml")
	err := os.WriteFile(d.config, []byte(`
[[rule]]
name      = "telnet"
action    = "allow"
direction = "in"
port      = 23

[[rule]]
name      = "dropbox"
action    = "block"
direction = "in"
port      = 17500

[[rule]]
name      = "smtp"
action    = "reject"
direction = "out"
port      = 25
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	d.probes = nil
	for _, p := range probes {
		if p.port == 23 || p.port == 17500 || p.port == 25 {
			d.probes = append(d.probes, p)
		}
	}
	err = d.run(t.Context())
	if err == nil || err.Error() != "4 of 5 connections did not turn out as expected" {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{
		`WRONG     what happened: "allow", want "block"`, `WRONG     what pfw explain says: "allow", want "block"`,
		`WRONG     action in the log: "allow", want "block"`, `WRONG     what happened: "allow", want "reject"`,
		`WRONG     it is in the log, and the rule says it is not to be`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not shown", want)
		}
	}
}

func TestLiveUntilEnter(t *testing.T) {
	d, out := fresh(t)
	d.probes = probes[:1]
	pressed := make(chan struct{})
	d.enter = func() (<-chan struct{}, error) { return pressed, nil }
	r := begin(t, d, out)
	r.until(t, " -> 192.168.7.10:22 eth0 rule=ssh\n")
	close(pressed)
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	if _, after, _ := strings.Cut(out.String(), "== pfw monitor"); !strings.Contains(after, "== pfw rules") {
		t.Error("no summary after the live events")
	}
}

func TestLiveUntilInterrupt(t *testing.T) {
	d, out := fresh(t)
	d.probes = probes[:1]
	d.enter = func() (<-chan struct{}, error) { return nil, nil }
	r := begin(t, d, out)
	r.until(t, "Press Enter")
	r.stop()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}

func TestInterruptedMidway(t *testing.T) {
	d, out := fresh(t)
	r := begin(t, d, out)
	r.until(t, "explain: ")
	r.stop()
	if err := r.wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was stopped", err)
	}
	if strings.Contains(out.String(), "pfw status") {
		t.Error("it went on to the end")
	}
}
