package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"pfw/config"
	"pfw/daemon/audit"
)

// fake is a daemon that answers what the test says.
type fake struct {
	*audit.Log
	err    error
	panics bool
	subs   chan struct{} // has one for each that follows
	file   string        // of the log; "" for none
	asked  string
	// fetched is closed when whoever fetches is gone.
	fetched chan struct{}
	// bodyTime is how long a request may take to arrive; zero is plenty, as 8 MiB take their time on a busy machine.
	bodyTime time.Duration
}

func (f *fake) Status(context.Context) (Status, error) {
	if f.panics {
		panic("oops")
	}
	since := time.Date(2026, 11, 21, 19, 22, 14, 0, time.FixedZone("", 3600))
	return Status{State: OK, Since: Time{since}, Generation: 7, File: "/etc/pfw/firewall.toml"}, f.err
}

func (f *fake) Rules(_ context.Context, always bool) (Rules, error) {
	r := Rules{Rules: []Rule{{Name: "ssh", Packets: 3}}}
	if always {
		r.Always = []AlwaysInForce{{Name: "loopback"}}
	}
	return r, f.err
}

func (f *fake) Check(_ context.Context, text string) (Check, error) {
	return Check{File: text, Valid: true}, f.err
}

func (f *fake) Explain(_ context.Context, packet string) (Explain, error) {
	return Explain{Packet: packet, Decision: Decision{Verdict: "allow"}}, f.err
}

func (f *fake) ExplainEntry(_ context.Context, seq uint64) (Explain, error) {
	return Explain{Packet: "in tcp -> :22", Entry: &audit.Entry{Seq: seq, EventType: audit.Drop}}, f.err
}

func (f *fake) Show(context.Context) (Show, error) {
	return Show{Shape: "1 rule", NFT: "table inet pfw"}, f.err
}

func (f *fake) Config(context.Context) (File, error) {
	return File{File: "/etc/pfw/firewall.toml", Text: "[default]\n", ETag: `"7"`}, f.err
}

func (f *fake) Reload(context.Context) (Outcome, error) {
	return Outcome{Generation: 8, State: OK}, f.err
}

func (f *fake) Connections(context.Context) (Connections, error) { return Connections{}, f.err }
func (f *fake) Metrics(context.Context) ([]byte, error)          { return []byte("pfw_bans 3\n"), f.err }

func (f *fake) Lists(context.Context) (Lists, error) {
	return Lists{[]List{{Name: "lan", Kind: BuiltIn, Source: "built in", Entries: 6, Ranges: 6, Packets: 12}}}, f.err
}

func (f *fake) BeginFetches(_ context.Context, ask FetchRequest) (Fetches, func(), error) {
	var v Fetches
	for _, name := range ask.Lists {
		v.Fetches = append(v.Fetches, Fetch{List: name, URL: "https://key@example.org/", MostBytes: 100, Ticket: name + ".1"})
	}
	return v, func() { close(f.fetched) }, f.err
}

func (f *fake) TakeCopy(_ context.Context, list string, c Copy, text io.Reader) (Fetched, error) {
	all, err := io.ReadAll(text)
	return Fetched{Name: list, Outcome: FetchChanged, Entries: len(all), Error: fmt.Sprint(c, err)}, f.err
}

func (f *fake) NoteFetch(_ context.Context, list string, n FetchNote) (Fetched, error) {
	return Fetched{Name: list, Outcome: FetchFailed, Error: n.Error}, f.err
}

func (f *fake) Bans(context.Context) (Bans, error) {
	since := time.Date(2026, 11, 21, 19, 22, 14, 0, time.UTC)
	return Bans{[]Ban{{Address: "2001:db8::/64", Since: Time{since}, Until: &Time{since.Add(time.Hour)}, Reason: "by hand"}}}, f.err
}

func (f *fake) Ban(_ context.Context, ask BanRequest) (Bans, error) {
	since := time.Date(2026, 11, 21, 19, 22, 14, 0, time.UTC)
	return Bans{[]Ban{{Address: ask.Address, Since: Time{since}, Until: &Time{since.Add(ask.For)}, Reason: ask.Reason}}}, f.err
}

func (f *fake) Unban(_ context.Context, address string) (Bans, error) {
	return Bans{[]Ban{{Address: address}}}, f.err
}

func (f *fake) Follow(context.Context, bool) *audit.Subscription {
	s := f.Subscribe()
	if f.subs != nil {
		f.subs <- struct{}{}
	}
	return s
}

var errBad = &config.Errors{Problems: []config.Problem{{File: "firewall.toml", Line: 2, Column: 5, Key: "action", Message: `unknown word "drop"`}}}

// start serves a fake on a real socket until the test ends.
func start(t *testing.T, f *fake, g gate) (path string) {
	t.Helper()
	return startBackend(t, f, f, g)
}

// startBackend serves what stands before a fake.
func startBackend(t *testing.T, f *fake, b Backend, g gate) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "run", "control.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Log, err = audit.Open(audit.Options{
		StateDir: t.TempDir(), Sinks: audit.SinkOptions{File: f.file, MaxSize: 1 << 20}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := &server{ctx: ctx, backend: b, log: slog.New(slog.DiscardHandler), gate: g, bodyTime: cmp.Or(f.bodyTime, time.Minute)}
	go func() { ended <- serve(ctx, l, s) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		if _, err := net.Dial("unix", path); err == nil {
			t.Error("the socket answers after the end")
		}
	})
	return path
}

func problem(t *testing.T, err error) *Problem {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a problem document", err)
	}
	return p
}
