package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) reload() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "reload [--quiet]",
		Short: "Put the rule file in force, and wait for the outcome",
		Long: "Have pfwd check its rule file and put it in force in one step. A file that is not valid changes nothing.\n" +
			"Exit status: 0 in force, 4 the file is not valid, 5 one of its expectations does not hold.",
		Example: example("pfw check && pfw reload"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), reloadTime)
			defer cancel()
			v, err := a.client().Reload(ctx)
			switch {
			case err != nil && quiet:
				if code, _ := a.judge(err); code == exitInvalid || code == exitExpectation {
					return &notValid{code}
				}
				return err
			case err != nil:
				return err
			case a.json:
				return a.answer(v)
			case quiet:
				return nil
			}
			a.warnings(v.Warnings)
			s, err := a.client().Status(ctx)
			if err != nil {
				return fmt.Errorf("policy in force, generation %d; how it is now: %w", v.Generation, err)
			}
			a.out.printf("policy in force: %s, generation %d\n", things(s.Rules, "rule"), v.Generation)
			if s.State == api.Degraded {
				a.out.printf("%s\n", styled{yellow, "something is wrong all the same: pfw status tells what"})
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&quiet, "quiet", false, "leave it to pfwd's log to tell how it went")
	return cmd
}
