package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) monitor() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "monitor [--all]",
		Short:   "Events as they come",
		Long:    "What is blocked, and whatever else the log tells, as it happens, until Ctrl-C.",
		Example: example("pfw monitor --all"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Only here: the other verbs have nothing to end in order, and are to end at once.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			for e, err := range a.client().Events(ctx, true, all) {
				switch {
				case ctx.Err() != nil:
					return nil // Ctrl-C is how this ends
				case err != nil:
					return err
				case a.json:
					a.out.json(append(e.AppendJSON(nil), '\n'))
				default:
					a.out.printf("%s %s\n", styled{faint, e.Timestamp.Local().Format("15:04:05.000")}, styled{actionStyle(e.PFW.Action), e.Message()})
				}
				if a.out.failed != nil {
					return nil // run tells
				}
			}
			if ctx.Err() == nil {
				return fmt.Errorf("%w: it ended", api.ErrUnreachable)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also allowed connections")
	return cmd
}
