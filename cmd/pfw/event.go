package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"pfw/daemon/api"
	"pfw/daemon/audit"
)

// events prints what is asked for as it comes, and says how much it was.
func (a *app) events(ctx context.Context, q api.EventsQuery) (n int, err error) {
	for e, err := range a.client().Events(ctx, q) {
		if err != nil {
			return n, err
		}
		a.entry(&e)
		if n++; a.out.failed != nil {
			return n, nil // run tells
		}
	}
	return n, nil
}

// follow prints what is asked for until Ctrl-C, or until pfwd ends, which is an error.
func (a *app) follow(ctx context.Context, q api.EventsQuery) error {
	// Only who follows has something to end in order; the other verbs end at once.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, err := a.events(ctx, q)
	switch {
	case ctx.Err() != nil || a.out.failed != nil:
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: it ended", api.ErrUnreachable)
}

// entry prints an entry: as it stands in the log's file, or as a line for people.
func (a *app) entry(e *audit.Entry) {
	if a.json {
		a.out.json(append(e.AppendJSON(nil), '\n'))
		return
	}
	a.out.event(e)
}

func (s *screen) event(e *audit.Entry) {
	s.printf("%s %s\n", styled{faint, moment(api.Time{Time: e.Timestamp})}, styled{eventStyle(e), e.MessageBy(func(t time.Time) string { return moment(api.Time{Time: t}) })})
}

// eventStyle colours what became of a packet, and what shows that the firewall or its log is not whole.
func eventStyle(e *audit.Entry) style {
	switch e.EventType {
	case audit.Drop, audit.Allow, audit.Cut:
		return actionStyle(e.PFW.Action)
	case audit.Tamper, audit.Panic, audit.Lost, audit.Alert:
		return yellow
	}
	return plain
}
