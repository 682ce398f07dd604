package api

import (
	"context"
	"encoding/json"
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
	f := &fake{}
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

func TestStreamsAreBounded(t *testing.T) {
	f := &fake{}
	c := NewClient(start(t, f, newGate()))
	for range maxStreams {
		answer, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Close()
	}
	_, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
	if p := problem(t, err); p.Status != 503 {
		t.Errorf("one too many: %+v", p)
	}
}
