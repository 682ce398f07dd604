package main

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/config"
	"pfw/daemon/api"
)

// refreshTime is what all lists together may take.
const refreshTime = time.Hour

func (a *app) refresh() *cobra.Command {
	var due, shrunk bool
	cmd := &cobra.Command{
		Use:   "refresh [NAME...]",
		Short: "Fetch the lists from the net and read those in files anew, and put them in force",
		Long: "Fetch the lists that have a url, all or those that are named, and put them in force; the rules stay as they are, and are not\n" +
			"read anew. Run by root, the fetching is done as user " + api.Fetcher + ", where there is one. A list that cannot be fetched, is no\n" +
			"list, or has less than half of the entries of before changes nothing: what was fetched last stays in force. Where lists in\n" +
			"files are named, or there are any and none is named, they are read anew together with the rule file, as by pfw reload.\n" +
			"Exit status: 0 all are refreshed, 1 one is not, 4 a file is not valid.",
		Example: example("pfw lists refresh", "pfw lists refresh --accept-shrink spamhaus"),
		Args:    words(0, math.MaxInt, ""), DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for i, name := range args {
				args[i] = strings.TrimPrefix(name, "@")
			}
			if shrunk && len(args) == 0 {
				return &usageError{"--accept-shrink takes the names of lists", "pfw lists refresh --accept-shrink NAME"}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), refreshTime)
			defer cancel()
			if due {
				if len(args) > 0 {
					return &usageError{"--due looks for what is due among all lists", "pfw lists refresh NAME fetches it, due or not"}
				}
				return a.refreshDue(ctx)
			}
			return a.refreshNamed(ctx, args, shrunk)
		},
	}
	cmd.ValidArgsFunction = a.offering(refreshable, anyNumber)
	cmd.Flags().BoolVar(&due, "due", false, "only lists from the net that are due, as the timer does")
	cmd.Flags().BoolVar(&shrunk, "accept-shrink", false, "take a list that has less than half of the entries of before")
	return cmd
}

// refreshed is what became of lists.
type refreshed struct {
	// Lists are what they are now; absent where only the fetching was asked for.
	Lists     []api.List    `json:"lists,omitzero"`
	Refreshed []api.Fetched `json:"refreshed"`

	warnings []config.Problem
}

// What becomes of a list when the rule file is read, beside what becomes of one that is fetched.
const (
	listNew  api.FetchOutcome = "new"
	listGone api.FetchOutcome = "gone"
)

// refreshDue is what the timer does, as a user who may ask for nothing else.
func (a *app) refreshDue(ctx context.Context) error {
	fetched, err := a.fetchLists(ctx, api.FetchRequest{Due: true}, false)
	if err != nil {
		return err
	}
	return a.tellRefreshed(refreshed{Refreshed: fetched})
}

func (a *app) refreshNamed(ctx context.Context, names []string, shrunk bool) error {
	before, err := a.client().Lists(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := among(before, name); err != nil {
			return err
		}
	}
	wanted := func(l api.List) bool {
		if len(names) > 0 {
			return slices.Contains(names, l.Name)
		}
		return mayChange(l)
	}
	net := slices.ContainsFunc(before.Lists, func(l api.List) bool { return wanted(l) && l.Kind == api.FromNet })
	var out refreshed
	// Without lists from the net it is a reload, so that a new rule file that has some is read, too.
	if !net || slices.ContainsFunc(before.Lists, func(l api.List) bool { return wanted(l) && l.Kind == api.FromFile }) {
		outcome, err := a.client().Reload(ctx)
		if err != nil {
			return err
		}
		out.warnings = outcome.Warnings
	}
	var fetched []api.Fetched
	if net {
		if fetched, err = a.fetchLists(ctx, api.FetchRequest{Lists: names}, shrunk); err != nil {
			return err
		}
	}
	after, err := a.client().Lists(ctx)
	if err != nil {
		return err
	}
	out.Lists = slices.DeleteFunc(slices.Clone(after.Lists), func(l api.List) bool { return !wanted(l) })
	had := map[string]int{}
	for _, l := range before.Lists {
		had[l.Name] = l.Entries
	}
	for _, l := range out.Lists {
		if i := slices.IndexFunc(fetched, func(f api.Fetched) bool { return f.Name == l.Name }); i >= 0 {
			out.Refreshed = append(out.Refreshed, fetched[i])
			continue
		}
		f := api.Fetched{Name: l.Name, Outcome: api.FetchChanged, Before: had[l.Name], Entries: l.Entries}
		switch was, there := had[l.Name]; {
		case !there:
			f.Outcome = listNew
		case was == l.Entries:
			f.Outcome = api.FetchUnchanged
		}
		out.Refreshed = append(out.Refreshed, f)
	}
	for _, l := range before.Lists {
		if wanted(l) && !slices.ContainsFunc(after.Lists, func(x api.List) bool { return x.Name == l.Name }) {
			out.Refreshed = append(out.Refreshed, api.Fetched{Name: l.Name, Outcome: listGone, Before: l.Entries})
		}
	}
	return a.tellRefreshed(out)
}

// mayChange tells a list that may be another one by now though the rule file is not.
func mayChange(l api.List) bool { return l.Kind == api.FromNet || l.Kind == api.FromFile }

// tellRefreshed prints what became of lists. One that is not refreshed is a failure.
func (a *app) tellRefreshed(v refreshed) error {
	a.warnings(v.warnings)
	if v.Refreshed == nil {
		v.Refreshed = []api.Fetched{}
	}
	if err := present(a, v, a.out.refreshed); err != nil {
		return err
	}
	failed := false
	for _, f := range v.Refreshed {
		if f.Outcome != api.FetchFailed {
			continue
		}
		failed = true
		a.err.printf("pfw: @%s is not refreshed: %s\n", f.Name, f.Error)
		if f.Hint != "" {
			a.err.printf("  hint: %s\n", f.Hint)
		}
	}
	if failed {
		return &notValid{exitFailed}
	}
	return nil
}

// refreshed tells how many entries each list had and has.
func (s *screen) refreshed(v refreshed) {
	for _, f := range v.Refreshed {
		name, now := styled{bold, "@" + f.Name}, entries(uint64(f.Entries))
		switch {
		case f.Outcome == api.FetchFailed:
			s.printf("%s: %s, as before: %s\n", name, now, styled{red, "not refreshed"})
		case f.Outcome == listNew:
			s.printf("%s: %s, and is new\n", name, now)
		case f.Outcome == listGone:
			s.printf("%s is gone\n", name)
		case f.Before == f.Entries && f.Outcome == api.FetchChanged:
			s.printf("%s: %s, others than before\n", name, now)
		case f.Before == f.Entries:
			s.printf("%s: %s, as before\n", name, now)
		default:
			s.printf("%s: %s -> %s\n", name, count(f.Before), now)
		}
	}
}
