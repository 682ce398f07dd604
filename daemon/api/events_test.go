package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pfw/daemon/audit"
)

// follow starts a follower whose subscription is in force when it returns.
func follow(t *testing.T, f *fake, c *Client, q EventsQuery) (next func() string) {
	t.Helper()
	f.subs = make(chan struct{}, 1)
	q.Follow = true
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	lines := make(chan string)
	go func() { // ends with the context
		defer close(lines)
		for e, err := range c.Events(ctx, q) {
			if err != nil {
				return
			}
			select {
			case lines <- e.EventType.String():
			case <-ctx.Done():
				return
			}
		}
	}()
	<-f.subs
	return func() string { return <-lines }
}

func TestEventsLive(t *testing.T) {
	f := &fake{bodyTime: 300 * time.Millisecond}
	c := NewClient(start(t, f, newGate()))
	some := follow(t, f, c, EventsQuery{})
	every := follow(t, f, c, EventsQuery{All: true})
	// Longer than a request may take to arrive: an answer may take for ever.
	time.Sleep(400 * time.Millisecond)
	f.Append(audit.Entry{EventType: audit.Drop})
	f.Append(audit.Entry{EventType: audit.Allow})
	f.Append(audit.Entry{EventType: audit.Reload})
	for _, want := range []string{"drop", "reload"} {
		if got := some(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, want := range []string{"drop", "allow", "reload"} {
		if got := every(); got != want {
			t.Errorf("with all: got %q, want %q", got, want)
		}
	}
	var recent []string
	for e, err := range c.Events(t.Context(), EventsQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		recent = append(recent, e.EventType.String())
	}
	if len(recent) != 2 || recent[0] != "drop" || recent[1] != "reload" {
		t.Errorf("recent: %v", recent)
	}
}

func TestSlowFollowerHoldsUpNobodyAndIsTold(t *testing.T) {
	f := &fake{}
	c := NewClient(start(t, f, newGate()))
	f.subs = make(chan struct{}, 1)
	answer, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	<-f.subs
	// Far more than the socket and all queues before it hold, while the follower reads nothing.
	const sent = 100_000
	for range sent {
		f.Append(audit.Entry{EventType: audit.Drop, PFW: audit.PFW{Rule: "default"}})
	}
	lines := json.NewDecoder(answer)
	var got, missed, last uint64
	for got+missed < sent {
		var e audit.Entry
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.EventType == audit.Lost {
			missed += e.PFW.Count
			last += e.PFW.Count
			continue
		}
		got++
		if last++; e.Seq != last {
			t.Fatalf("entry %d comes where %d should, with %d told missing", e.Seq, last, missed)
		}
	}
	if got+missed != sent || missed == 0 {
		t.Errorf("%d sent: %d arrived, %d told missing", sent, got, missed)
	}
}

// A hundred who read what happens, and some who never do, while thousands of entries are logged: each reader gets all, or is told
// how many it missed, and logging takes no longer than it does.
func TestHundredReaders(t *testing.T) {
	const readers, sent = 100, 5_000
	f := &fake{}
	c := NewClient(start(t, f, newGate()))
	f.subs = make(chan struct{}, 2*readers)
	var wait sync.WaitGroup
	for range readers {
		wait.Go(func() {
			seen := uint64(0)
			for e, err := range c.Events(t.Context(), EventsQuery{Follow: true, Filter: audit.Filter{Rules: []string{"default"}}}) {
				switch {
				case err != nil:
					t.Error(err)
				case e.EventType == audit.Lost:
					seen += e.PFW.Count
				case e.Seq != seen+1:
					t.Errorf("entry %d comes where %d should", e.Seq, seen+1)
					return
				default:
					seen++
				}
				if seen == sent {
					return
				}
			}
		})
		stopped, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer stopped.Close()
	}
	for range 2 * readers {
		<-f.subs
	}
	for range sent {
		f.Append(audit.Entry{EventType: audit.Drop, PFW: audit.PFW{Rule: "default"}})
	}
	wait.Wait()
}

func TestStreamsAreBounded(t *testing.T) {
	f := &fake{}
	c := NewClient(start(t, f, newGate()))
	var answers []io.Closer
	for range maxStreams {
		answer, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	_, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
	if p := problem(t, err); p.Status != 503 {
		t.Errorf("one too many: %+v", p)
	}
	// Who goes away makes room, also where nothing happens that would be sent.
	for _, answer := range answers {
		answer.Close()
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		answer, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
		if err == nil {
			answer.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("all are gone, and there is no room: %v", err)
		}
	}
}

// logged is n entries of a second each, from a minute after at on, of rules even and odd; every fifth is allowed.
func logged(n int) string {
	var b strings.Builder
	for seq := 1; seq <= n; seq++ {
		e := audit.Entry{
			Seq: uint64(seq), Timestamp: at.Add(time.Duration(seq) * time.Second), EventType: audit.Drop,
			PFW: audit.PFW{Rule: []string{"even", "odd"}[seq%2]},
		}
		if seq%5 == 0 {
			e.EventType = audit.Allow
		}
		b.Write(append(e.AppendJSON(nil), '\n'))
	}
	return b.String()
}

var at = time.Date(2026, 11, 21, 19, 22, 0, 0, time.UTC)

// seqs are the numbers of what is answered; * is what has none.
func seqs(t *testing.T, c *Client, q EventsQuery, most int) string {
	t.Helper()
	var out []string
	for e, err := range c.Events(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(e.Seq)
		if e.Seq == 0 {
			text = "*"
		}
		if out = append(out, text); len(out) == most {
			break
		}
	}
	return strings.Join(out, " ")
}

func TestEventsOfTheLog(t *testing.T) {
	f := &fake{file: filepath.Join(t.TempDir(), "audit.jsonl")}
	if err := os.WriteFile(f.file, []byte(logged(8)), 0o640); err != nil {
		t.Fatal(err)
	}
	c := NewClient(start(t, f, newGate()))
	f.Append(audit.Entry{Timestamp: at.Add(9 * time.Second), EventType: audit.Drop, PFW: audit.PFW{Rule: "odd"}}) // waits to be written
	f.Append(audit.Entry{Timestamp: at.Add(10 * time.Second), EventType: audit.Allow, PFW: audit.PFW{Rule: "even"}})
	for _, x := range []struct {
		q    EventsQuery
		want string
	}{
		{EventsQuery{Since: at}, "1 2 3 4 5 6 7 8 9 10"},
		{EventsQuery{Since: at, All: true}, "1 2 3 4 5 6 7 8 9 10"},
		{EventsQuery{Since: at.Add(7 * time.Second)}, "7 8 9 10"},
		{EventsQuery{Until: at.Add(3 * time.Second)}, "1 2"},
		{EventsQuery{Newest: 3}, "8 9 10"},
		{EventsQuery{Newest: 3, Filter: audit.Filter{Rules: []string{"odd"}}}, "5 7 9"},
		{EventsQuery{Since: at, Filter: audit.Filter{Events: []audit.EventType{audit.Allow}}}, "5 10"},
		{EventsQuery{}, "9"}, // the newest in memory
		{EventsQuery{All: true}, "9 10"},
		{EventsQuery{Filter: audit.Filter{Actions: []string{"allow"}}}, ""},
	} {
		if got := seqs(t, c, x.q, 0); got != x.want {
			t.Errorf("%s: got %s, want %s", x.q.values().Encode(), got, x.want)
		}
	}
}

// What was and what comes: no gap, no double; a connection that is allowed and not logged only for who asks for all.
func TestEventsOfTheLogAndOn(t *testing.T) {
	f := &fake{file: filepath.Join(t.TempDir(), "audit.jsonl"), subs: make(chan struct{}, 1)}
	if err := os.WriteFile(f.file, []byte(logged(3)), 0o640); err != nil {
		t.Fatal(err)
	}
	c := NewClient(start(t, f, newGate()))
	for i, x := range []struct {
		q    EventsQuery
		want string
	}{
		{EventsQuery{Since: at, Follow: true}, "1 2 3 4 5"},
		{EventsQuery{Since: at, Follow: true, All: true}, "1 2 3 4 5 6 * 7"},
		{EventsQuery{Newest: 2, Follow: true}, "6 7 8 9"},
	} {
		got := make(chan string)
		go func() { got <- seqs(t, c, x.q, len(strings.Fields(x.want))) }()
		<-f.subs
		f.Append(audit.Entry{EventType: audit.Drop})
		f.Log.Show(audit.Entry{EventType: audit.Allow})
		f.Append(audit.Entry{EventType: audit.Allow})
		if text := <-got; text != x.want {
			t.Errorf("%d: got %s, want %s", i, text, x.want)
		}
	}
}

func TestEventsOfNoLog(t *testing.T) {
	c := NewClient(start(t, &fake{}, newGate()))
	for _, err := range c.Events(t.Context(), EventsQuery{Since: at}) {
		if p := problem(t, err); p.Status != 409 || p.Hint != "journalctl -u pfwd has it where [log] journal is on" {
			t.Errorf("%+v", p)
		}
	}
}

// broken is a log that cannot be read on after some entries.
type broken struct {
	*fake
	entries int
}

func (b *broken) Past(_ context.Context, _ audit.Query, fn func(*audit.Entry) error) (uint64, error) {
	for i := range b.entries {
		if err := fn(&audit.Entry{Seq: uint64(i + 1), EventType: audit.Drop}); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("read audit.jsonl: input/output error")
}

// An answer that is not whole does not look as if it were.
func TestEventsBreakOff(t *testing.T) {
	for _, entries := range []int{0, 3, 1000} {
		f := &fake{}
		b := &broken{f, entries}
		c := NewClient(startBackend(t, f, b, newGate()))
		n := 0
		var failed error
		for _, err := range c.Events(t.Context(), EventsQuery{Since: at}) {
			if failed = err; err == nil {
				n++
			}
		}
		switch {
		case entries < 10: // nothing has gone out yet
			if p := problem(t, failed); p.Status != 500 || p.Detail != "read audit.jsonl: input/output error" {
				t.Errorf("%+v", p)
			}
		case !errors.Is(failed, ErrUnreachable):
			t.Errorf("%d of %d entries, then %v", n, entries, failed)
		}
	}
}

func TestMissingIsWhatTheReaderHasNot(t *testing.T) {
	for _, c := range []struct {
		name         string
		all          bool
		past         uint64
		wentBy, next uint64
		missing      uint64
	}{
		{"all of it", false, 0, 7, 1000, 7},
		{"after what was sent", false, 990, 9, 1000, 9},
		{"in part read from the files", false, 995, 9, 1000, 4},
		{"all read from the files", false, 999, 9, 1000, 0},
		{"more than that", false, 1005, 9, 1000, 0},
		{"some are allowed connections", false, 997, 9, 1000, 2},
		{"which it wants", true, 997, 9, 1000, 9},
		{"before one of them", false, 997, 9, 0, 9},
	} {
		o := stream{q: EventsQuery{All: c.all}, past: c.past}
		if got := o.missing(c.wentBy, &audit.Entry{Seq: c.next}); got != c.missing {
			t.Errorf("%s: %d, want %d", c.name, got, c.missing)
		}
	}
}
