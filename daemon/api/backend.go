package api

import (
	"context"

	"pfw/daemon/audit"
)

// Backend is the daemon, as the handler sees it. Its methods are called by many goroutines at once. An error is one of
//   - *config.Errors: a file is not valid (422; the client's error is a *Problem with the same list)
//   - *config.EditError: a rule file cannot be edited so (404, 400 or 409)
//   - *RequestError: the request is at fault (400)
//   - *Problem: see NewProblem
//   - any other: the daemon could not do it (500)
type Backend interface {
	Status(ctx context.Context) (Status, error)
	Rules(ctx context.Context, always bool) (Rules, error)
	// Connections are the open sockets, who holds each, and what the policy in force says of it.
	Connections(ctx context.Context) (Connections, error)
	// Check judges a text as if it were firewall.toml; a text that is not valid is no error. See NewCheck.
	Check(ctx context.Context, text string) (Check, error)
	// Show is the ruleset in force. See NewShow.
	Show(ctx context.Context) (Show, error)
	// Config reads the rule files as they are now.
	Config(ctx context.Context) (File, error)
	// Reload ends with ctx only where Serve does: a client that goes away leaves no reload half done.
	Reload(ctx context.Context) (Outcome, error)
	Trials
	Alarms
	Edits
	Explainer
	Lists(ctx context.Context) (Lists, error)
	Fetching
	// Metrics is text in the format of Prometheus.
	Metrics(ctx context.Context) ([]byte, error)
	Banner
	Feed
}

// Feed is the audit log, as the handler sees it.
type Feed interface {
	// Recent has the newest entries, at most n, oldest first.
	Recent(n int) []audit.Entry
	// Past calls fn with every entry logged so far that is wanted; see audit.Log.
	Past(ctx context.Context, q audit.Query, fn func(*audit.Entry) error) (last uint64, err error)
	// Follow reads what happens from now on, and never waits for the reader, who closes it. all says that until ctx ends
	// somebody wants to see allowed connections too, which the kernel tells only while somebody does.
	Follow(ctx context.Context, all bool) *audit.Subscription
}

// RequestError says that what was asked for is at fault, and not whoever was asked.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *RequestError) Unwrap() error { return e.Err }
