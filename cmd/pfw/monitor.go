package main

import (
	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) monitor() *cobra.Command {
	var all bool
	var filter filterFlags
	cmd := &cobra.Command{
		Use:   "monitor [--all] [FILTERS]",
		Short: "Events as they come",
		Long: `What is blocked, and whatever else the log tells, as it happens, until Ctrl-C. --all adds connections that are
allowed, whether they are logged or not; so do --action allow and --event allow.

` + filterHelp + `

Who reads too slowly misses events, and is told how many. When pfwd ends, so does this, with status 3.`,
		Example: example("pfw monitor --all",
			"pfw monitor --direction in --port ssh --src 192.168.0.0/16,fd00::/8"),
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := filter.read()
			if err != nil {
				return err
			}
			a.doubt(cmd.Context(), f.Rules)
			return a.follow(cmd.Context(), api.EventsQuery{Follow: true, All: all, Filter: f})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also allowed connections")
	filter = newFilterFlags(cmd)
	return cmd
}
