package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) rules() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "rules [--all]",
		Short: "The rules in order, with packets, bytes and last match",
		Long: "The rules in force, in order, with what each decided: packets that open a connection, their bytes, the last match.\n" +
			"Of a rule with a limit, those that were over it are part of the packets, and told in brackets.",
		Example: example("pfw rules --all"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			r, err := a.client().Rules(ctx, all)
			if err != nil {
				return err
			}
			return present(a, r, a.out.rules)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what is always in force, before any rule, and detectors")
	return cmd
}

func (s *screen) rules(v api.Rules) {
	rows := [][]cell{{
		{text: "RULE", style: faint}, {text: "WHAT IT DOES", style: faint}, {text: "PACKETS", style: faint, right: true},
		{text: "BYTES", style: faint, right: true}, {text: "LAST MATCH", style: faint},
	}}
	row := func(name, text string, st style, packets, bytes uint64, last string) {
		rows = append(rows, []cell{
			{text: name, style: bold}, {text: text, style: st}, {text: count(packets), right: true},
			{text: size(bytes), right: true}, {text: last},
		})
	}
	for _, a := range v.Always {
		row(a.Name, a.Text, faint, a.Packets, a.Bytes, "")
	}
	for _, d := range v.Detectors {
		row(d.Name, d.Text, faint, d.Packets, d.Bytes, "")
	}
	for _, r := range v.Rules {
		text, st := r.Text, actionStyle(r.Action)
		if !r.Enabled {
			text, st = "disabled: "+text, faint
		}
		if r.Over > 0 {
			text += fmt.Sprintf(" (%s over)", count(r.Over))
		}
		if r.Comment != "" {
			text += "  # " + r.Comment
		}
		last := "never"
		if r.LastMatch != nil {
			last = moment(*r.LastMatch)
		}
		row(r.Name, text, st, r.Packets, r.Bytes, last)
	}
	for _, d := range v.Default {
		row("default", d.Action+" "+d.Direction+" what no rule matches", actionStyle(d.Action), d.Packets, d.Bytes, "")
	}
	s.table(rows, 1)
}

// actionStyle colours a verdict as policy.Verdict spells it.
func actionStyle(action string) style {
	switch action {
	case "allow":
		return green
	case "block", "reject":
		return red
	}
	// A daemon newer than this program.
	return plain
}
