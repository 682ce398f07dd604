package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

// tryTime is how long a trial lasts unless somebody says otherwise.
const tryTime = "60s"

func (a *app) try() *cobra.Command {
	var length string
	var force bool
	cmd := &cobra.Command{
		Use:   "try FILE [--for 60s] [--force]",
		Short: "Put a file in force for a while, and go back unless it is confirmed",
		Long: "Put FILE in force as if it were firewall.toml in its place, with the firewall.d and the lists there. Then open a new\n" +
			"connection: if that works, pfw confirm keeps FILE and installs it as firewall.toml; if it does not, wait. pfwd itself goes\n" +
			"back in time, also if this terminal is gone or pfwd is started again; after a reboot, firewall.toml is in force.\n" +
			"Open connections that FILE forbids are cut, and do not come back with the policy of before.\n" +
			"A file that would keep whoever tries it over ssh from logging in again is not tried without --force.\n" +
			"Exit status: 0 on trial, 4 the file is not valid, 5 one of its expectations does not hold.",
		Example: example("cp /etc/pfw/firewall.toml new.toml", "editor new.toml", "pfw try new.toml --for 2m", "pfw confirm"),
		Args:    words(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := parseFor("--for", length)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), reloadTime)
			defer cancel()
			v, err := a.client().Try(ctx, api.Trial{Text: string(text), For: d, Force: force})
			if err != nil {
				return a.inItsPlace(ctx, args[0], err)
			}
			return present(a, v, func(v api.Outcome) { a.tried(v, time.Now().Add(d)) })
		},
	}
	cmd.Flags().StringVar(&length, "for", tryTime, "go back after this `TIME` unless it is confirmed")
	cmd.Flags().BoolVar(&force, "force", false, "also what would keep you from logging in again over ssh")
	return cmd
}

// inItsPlace says which file is meant where pfwd speaks of the one that it stands for.
func (a *app) inItsPlace(ctx context.Context, file string, err error) error {
	var problem *api.Problem
	if !errors.As(err, &problem) || problem.Type != api.InvalidFile {
		return err
	}
	a.err.printf("%s, judged as if it were firewall.toml:\n", file)
	if a.json {
		return err
	}
	place, unknown := a.client().Config(ctx)
	if unknown != nil {
		return err
	}
	named := *problem
	named.Detail = renamed(problem.Detail, place.File, file)
	return &named
}

// renamed names another file in the places of a text of problems. A source line is indented, so it is none.
func renamed(text, from, to string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, from+":"); ok {
			line = to + ":" + rest
		}
		b.WriteString(line)
	}
	return b.String()
}

// tried says what to do now. soon is when the trial ends if pfwd, an older one, does not say.
func (a *app) tried(v api.Outcome, soon time.Time) {
	a.warnings(v.Warnings)
	until := api.Time{Time: soon}
	if v.Until != nil {
		until = *v.Until
	}
	clock := until.Local().Format(time.TimeOnly)
	a.out.printf("%s until %s, generation %d\n", styled{yellow, "on trial"}, styled{bold, clock}, v.Generation)
	a.out.printf("Can you open a %s connection now? A login from a second terminal, say.\n", styled{bold, "new"})
	a.out.printf("  yes: %s keeps this, and installs it as firewall.toml\n", styled{bold, "pfw confirm"})
	a.out.printf("  no:  wait, and pfwd goes back by itself at %s; %s does so now\n", clock, styled{bold, "pfw revert"})
}

func (a *app) confirm() *cobra.Command {
	return &cobra.Command{
		Use:   "confirm",
		Short: "Keep the policy on trial, and install it as firewall.toml",
		Long: "Keep the policy that pfw try put in force, and install it as firewall.toml. What that said before is in firewall.toml~,\n" +
			"also where somebody edited it while the trial ran.",
		Example: example("pfw try new.toml", "pfw confirm"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ended(cmd.Context(), (*api.Client).Confirm, "confirmed: the policy that was on trial is firewall.toml now")
		},
	}
}

func (a *app) revert() *cobra.Command {
	return &cobra.Command{
		Use:     "revert",
		Short:   "Go back from the policy on trial at once",
		Long:    "Put the policy in force again that was before pfw try. firewall.toml is as it was.",
		Example: example("pfw try new.toml", "pfw revert"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ended(cmd.Context(), (*api.Client).Revert, "reverted: the policy of before the trial is in force again")
		},
	}
}

// ended ends a trial in one of the two ways.
func (a *app) ended(ctx context.Context, way func(*api.Client, context.Context) (api.Outcome, error), said string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	v, err := way(a.client(), ctx)
	if err != nil {
		return err
	}
	return present(a, v, func(v api.Outcome) {
		a.warnings(v.Warnings)
		a.out.printf("%s, generation %d\n", said, v.Generation)
	})
}

// remaining spells how much of a time is to come, to the second where it is short.
func remaining(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%d s", max(0, int(d.Round(time.Second)/time.Second)))
	}
	return lasting(d)
}
