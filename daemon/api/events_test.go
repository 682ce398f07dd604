package api

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"pfw/daemon/audit"
)

// follow starts a follower whose subscription is in force when it returns.
func follow(t *testing.T, f *fake, c *Client, all bool) (next func() string, sub *audit.Subscription) {
	t.Helper()
	f.subs = make(chan *audit.Subscription, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	lines := make(chan string)
	go func() { // ends with the context
		defer close(lines)
		for e, err := range c.Events(ctx, true, all) {
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
	return func() string { return <-lines }, <-f.subs
}

func TestEventsLive(t *testing.T) {
	f := &fake{}
	c := NewClient(start(t, f, newGate()))
	some, _ := follow(t, f, c, false)
	every, _ := follow(t, f, c, true)
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
	for e, err := range c.Events(t.Context(), false, false) {
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
	f.subs = make(chan *audit.Subscription, 1)
	answer, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	sub := <-f.subs
	sent := uint64(0)
	// As long as the follower reads nothing: the socket's buffer fills, then the subscription's, then entries are dropped.
	for deadline := time.Now().Add(20 * time.Second); sub.Dropped() < 1000; sent++ {
		if time.Now().After(deadline) {
			t.Fatal("nothing is dropped")
		}
		f.Append(audit.Entry{EventType: audit.Drop, PFW: audit.PFW{Rule: "default"}})
	}
	dropped := sub.Dropped()
	lines := json.NewDecoder(answer)
	got, missed := uint64(0), uint64(0)
	for got+missed < sent {
		var e audit.Entry
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.EventType == audit.Lost {
			missed += e.PFW.Count
		} else {
			got++
		}
	}
	if got+missed != sent || missed != dropped {
		t.Errorf("%d sent: %d arrived, %d told missing, %d dropped", sent, got, missed, dropped)
	}
}

func TestFollowersAreBounded(t *testing.T) {
	f := &fake{}
	c := NewClient(start(t, f, newGate()))
	for range maxFollowers {
		answer, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Close()
	}
	_, err := c.ask(t.Context(), "GET", "events?follow=1", nil)
	if p := problem(t, err); p.Status != 503 {
		t.Errorf("one follower too many: %+v", p)
	}
}
