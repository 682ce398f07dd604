package main

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"pfw/daemon/api"
	"pfw/daemon/lists"
)

// fetchVerb is the one that fetches one list as another user; nobody types it.
const fetchVerb = "fetch"

func (a *app) fetch() *cobra.Command {
	return &cobra.Command{
		Use: fetchVerb, Hidden: true, Args: words(0, 0, ""),
		Short: "Fetch what standard input asks for, to standard output",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return lists.Serve(cmd.Context(), os.Stdin, os.Stdout)
		},
	}
}

// atOnce bounds how many lists are fetched at the same time. One slow server holds up no other.
const atOnce = 4

// fetchLists fetches what the daemon wants fetched, and hands it over.
func (a *app) fetchLists(ctx context.Context, ask api.FetchRequest, shrunk bool) ([]api.Fetched, error) {
	wanted, done, err := a.client().BeginFetches(ctx, ask)
	if err != nil {
		return nil, err
	}
	// The daemon learns by it that this is over; it says nothing more.
	defer func() { _ = done.Close() }()
	out := make([]api.Fetched, len(wanted.Fetches))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, f := range wanted.Fetches {
		group.Go(func() error {
			v, err := a.fetchOne(ctx, f, shrunk)
			if problem := new(api.Problem); errors.As(err, &problem) {
				// Of this list, and of no other.
				v, err = api.Fetched{Name: f.List, Outcome: api.FetchFailed, Error: problem.Detail, Hint: problem.Hint}, nil
			}
			out[i] = v
			return err
		})
	}
	return out, group.Wait()
}

func (a *app) fetchOne(ctx context.Context, f api.Fetch, shrunk bool) (api.Fetched, error) {
	text, err := asFetcher(ctx, lists.Request{
		URL: f.URL, Insecure: f.Insecure, ETag: f.ETag, LastModified: f.LastModified, Most: f.MostBytes, Agent: "pfw/" + version,
	})
	switch {
	case ctx.Err() != nil:
		return api.Fetched{}, ctx.Err()
	case err != nil:
		return a.client().NoteFetch(ctx, f.List, api.FetchNote{Ticket: f.Ticket, Error: err.Error()})
	case text.Unchanged:
		return a.client().NoteFetch(ctx, f.List, api.FetchNote{Ticket: f.Ticket})
	}
	return a.client().TakeCopy(ctx, f.List, api.Copy{Ticket: f.Ticket, ETag: text.ETag, LastModified: text.LastModified, Shrunk: shrunk}, text.Text)
}

// unmapped is set once it is known that this process may not become another user.
var unmapped atomic.Bool

// asFetcher fetches as a user who may do nothing else, where whoever runs this is root and there is such a user.
func asFetcher(ctx context.Context, r lists.Request) (lists.Answer, error) {
	if as := lists.UserOf(api.Fetcher); os.Geteuid() == 0 && as != nil && !unmapped.Load() {
		answer, err := lists.Apart(ctx, r, as, fetchVerb)
		if !lists.Unmapped(err) {
			return answer, err
		}
		unmapped.Store(true)
	}
	return lists.Fetch(ctx, r)
}
