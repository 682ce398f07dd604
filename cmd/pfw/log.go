package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

const (
	terminalLines = 50 // entries that a terminal shows unless told otherwise
	followLines   = 10 // entries before those to come
	statsLines    = 10 // in each part of the statistics
)

// wholeLog asks for the log from its beginning.
var wholeLog = time.Unix(0, 0)

// logFlags is what the flags of pfw log say.
type logFlags struct {
	since, until  string
	lines         int
	linesGiven    bool
	follow, stats bool
	filter        filterFlags
}

func (a *app) log() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "log [--since T] [--until T] [--lines N] [--follow | --stats] [FILTERS]",
		Short: "What was logged: the audit log and its old files",
		Long: fmt.Sprintf(`The audit log with its old files, oldest entry first: all of it, or what --since, --until, --lines and the
filters leave of it. On a terminal, where neither a time nor --lines is given, the newest %d; a pipe gets all.

A time is a duration before now (90s, 15m, 2d), today or yesterday, a date, a date and time ("2026-11-21 19:22"), or
RFC 3339.

%s

--follow shows the newest %d entries, or those asked for, and goes on with what is logged from then on, until
Ctrl-C. When pfwd ends, so does this, with status 3.

--stats counts packets by source, destination port and rule. Those that were over a rule's log cap, or lost, are
counted too, as far as they are known: by their rule. What is no packet, as a ban, counts as an entry only.`, terminalLines, filterHelp, followLines),
		Example: example("pfw log --since 15m --action block,reject --direction in",
			"pfw log --since 2026-11-21 --until '2026-11-21 12:00' --src 203.0.113.0/24 --json | jq .dest_port",
			"pfw log --since 7d --stats"),
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.linesGiven = cmd.Flags().Changed("lines")
			q, err := f.query(time.Now())
			if err != nil {
				return err
			}
			switch {
			case f.stats:
				return a.logStats(cmd.Context(), q, f.lines)
			case f.follow:
				return a.follow(cmd.Context(), q)
			}
			unasked := a.out.width > 0 && f.since == "" && f.until == "" && !f.linesGiven
			if unasked {
				q.Newest = terminalLines
			}
			return a.logged(cmd.Context(), q, unasked)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "of this `TIME` and later")
	flags.StringVar(&f.until, "until", "", "of before this `TIME`")
	flags.IntVarP(&f.lines, "lines", "n", 0, "the newest `N` entries; of --stats, so many of each")
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with what is logged from now on")
	flags.BoolVar(&f.stats, "stats", false, "count packets by source, port and rule instead")
	f.filter = newFilterFlags(cmd)
	return cmd
}

// query is what the flags ask for.
func (f *logFlags) query(now time.Time) (q api.EventsQuery, err error) {
	switch {
	case f.follow && f.stats:
		return q, &usageError{"--follow and --stats do not go together", "leave one of them out"}
	case f.follow && f.until != "":
		return q, &usageError{"--follow and --until do not go together", "leave one of them out"}
	case f.linesGiven && f.lines < 1:
		return q, &usageError{fmt.Sprintf("--lines %d: not above zero", f.lines), "pfw monitor shows what happens from now on and nothing before"}
	}
	if q.Filter, err = f.filter.read(); err != nil {
		return q, err
	}
	if f.since != "" {
		if q.Since, err = parseWhen("--since", f.since, now, false); err != nil {
			return q, err
		}
	}
	if f.until != "" {
		if q.Until, err = parseWhen("--until", f.until, now, false); err != nil {
			return q, err
		}
		if !q.Since.Before(q.Until) {
			return q, &usageError{"--until " + f.until + " is not after --since " + f.since, "give the earlier time to --since"}
		}
	}
	switch {
	case f.stats && !f.linesGiven:
		f.lines = statsLines
	case f.stats:
	case f.linesGiven:
		q.Newest = f.lines
	case f.follow && f.since == "":
		q.Newest = followLines
	}
	q.Follow = f.follow
	if f.since == "" {
		q.Since = wholeLog
	}
	return q, nil
}

// logged prints what the log has of what is asked for. unasked says that this is less than all because of the terminal.
func (a *app) logged(ctx context.Context, q api.EventsQuery, unasked bool) error {
	n, err := a.events(ctx, q)
	switch {
	case err != nil:
	case n == 0:
		a.doubt(ctx, q.Filter.Rules)
	case unasked && n == q.Newest:
		a.err.printf("%s\n", styled{faint, fmt.Sprintf("the newest %d; --lines or --since shows more", n)})
	}
	return err
}
