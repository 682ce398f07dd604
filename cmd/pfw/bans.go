package main

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) ban() *cobra.Command {
	var ask api.BanRequest
	var length string
	cmd := &cobra.Command{
		Use:   "ban ADDRESS|NETWORK [--for 1h] [--reason TEXT] [--force]",
		Short: "Block an address or a network for a while, whatever the rules say",
		Long: `Drop all packets from and to an address, or all of a network, for a while, before any rule is asked, and cut what is
open with it: programs on this machine see their connections end at once, and none goes on after the ban. What is dropped is
not logged; pfw rules --all counts it. Of an IPv6 address its /64 is banned, as whoever has one address there has all of them.
A ban outlives reloads, restarts and reboots; who is banned already stays so until the new time.

Loopback, this machine's own addresses and what [ban] never lists are never banned, nor is a network that holds one of them;
an address from which somebody is logged in by ssh only with --force.`,
		Example: example("pfw ban 203.0.113.7 --for 2d --reason 'guesses passwords'", "pfw ban 198.51.100.0/24 --for 1h"),
		Args:    words(1, 1, "the address"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ask.Address = args[0]
			if ask.For, err = parseFor("--for", length); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			v, err := a.client().Ban(ctx, ask)
			if err != nil {
				return err
			}
			return present(a, v, func(v api.Bans) { a.out.banned(v, time.Now()) })
		},
	}
	cmd.Flags().StringVar(&length, "for", "1h", "ban for this `TIME`: 90s, 15m, 2h, 2d")
	cmd.Flags().StringVar(&ask.Reason, "reason", "", "`TEXT` that says why, for the log and for pfw bans")
	cmd.Flags().BoolVar(&ask.Force, "force", false, "also an address from which somebody is logged in by ssh")
	return cmd
}

func (a *app) unban() *cobra.Command {
	return &cobra.Command{
		Use:     "unban ADDRESS...",
		Short:   "End bans",
		Long:    "End bans, each as pfw bans shows it; any IPv6 address of a banned /64 will do.",
		Example: example("pfw unban 203.0.113.7", "pfw bans --json | jq -r '.bans[].address' | xargs -r pfw unban"),
		Args:    words(1, math.MaxInt, "the address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			ended := api.Bans{Bans: []api.Ban{}}
			var failed error
			for _, address := range args {
				v, err := a.client().Unban(ctx, address)
				switch {
				case errors.Is(err, api.ErrUnreachable):
					return err
				case err != nil && failed != nil:
					a.complain(failed)
				}
				if err != nil {
					failed = err
				}
				ended.Bans = append(ended.Bans, v.Bans...)
			}
			if len(ended.Bans) > 0 || failed == nil {
				if err := present(a, ended, a.out.unbanned); err != nil {
					return err
				}
			}
			return failed
		},
	}
}

func (a *app) bans() *cobra.Command {
	return &cobra.Command{
		Use:     "bans",
		Short:   "Who is banned, since when, for how long and why",
		Example: example("pfw bans"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			v, err := a.client().Bans(ctx)
			if err != nil {
				return err
			}
			return present(a, v, func(v api.Bans) { a.out.bans(v, time.Now()) })
		},
	}
}

func (s *screen) banned(v api.Bans, now time.Time) {
	for _, b := range v.Bans {
		word := "until "
		if b.Until == nil {
			word = ""
		}
		s.printf("%s is banned %s%s: %s\n", styled{bold, b.Address}, word, banEnd(b, now), b.Reason)
	}
}

func (s *screen) unbanned(v api.Bans) {
	for _, b := range v.Bans {
		s.printf("%s is not banned any more; it was since %s: %s\n", styled{bold, b.Address}, moment(b.Since), b.Reason)
	}
}

func (s *screen) bans(v api.Bans, now time.Time) {
	if len(v.Bans) == 0 {
		s.printf("nobody is banned\n")
		return
	}
	rows := [][]cell{{{text: "ADDRESS", style: faint}, {text: "SINCE", style: faint}, {text: "UNTIL", style: faint}, {text: "WHY", style: faint}}}
	for _, b := range v.Bans {
		why := b.Reason
		if says := "rule " + b.Rule; b.Rule != "" && !strings.HasPrefix(why, says+" ") {
			why = says + ": " + why
		}
		rows = append(rows, []cell{{text: b.Address, style: bold}, {text: moment(b.Since)}, {text: banEnd(b, now)}, {text: why}})
	}
	s.table(rows, 3)
}

// banEnd spells when a ban ends, and how long that is from now.
func banEnd(b api.Ban, now time.Time) string {
	if b.Until == nil {
		return "for good"
	}
	return moment(*b.Until) + " (" + lasting(b.Until.Sub(now).Round(time.Second)) + ")"
}
