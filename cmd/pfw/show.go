package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
	"pfw/enforce"
)

func (a *app) show() *cobra.Command {
	var nft bool
	var file string
	cmd := &cobra.Command{
		Use:   "show [--nft] [--config FILE]",
		Short: "The compiled ruleset",
		Long: "The ruleset that the kernel runs: what it is made of, or with --nft all of it, as a script for nft -f.\n" +
			"With --config, what it would be for that file; this needs neither daemon nor root.",
		Example: example("pfw show --nft --config firewall.toml | less"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := a.ruleset(cmd.Context(), file)
			if err != nil {
				return err
			}
			return present(a, v, func(v api.Show) {
				if nft {
					a.out.printf("%s", block(v.NFT))
				} else {
					a.out.printf("%s", block(v.Shape))
				}
			})
		},
	}
	cmd.Flags().BoolVar(&nft, "nft", false, "as a script that nft -f loads")
	cmd.Flags().StringVar(&file, "config", "", "of this `FILE`, without a daemon")
	return cmd
}

// ruleset is that of a file, or where none is named the one in force.
func (a *app) ruleset(ctx context.Context, file string) (api.Show, error) {
	if file == "" {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		return a.client().Show(ctx)
	}
	c, err := load(file)
	if err != nil {
		return api.Show{}, err
	}
	r := enforce.Compile(c.Policy, enforce.Options{Now: time.Now()})
	shape := r.Shape()
	return api.NewShow(c.Policy, c.Lists, r.String(), shape.Most, shape.None), nil
}
