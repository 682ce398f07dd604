package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) lists() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lists",
		Short: "The address lists: entries, skipped lines, age, packets",
		Long: "The lists of the policy in force, which rules name as @NAME: how many entries each has, how many ranges these are once what\n" +
			"overlaps or adjoins is put together, lines that were skipped as they are no addresses, when its file was changed last, and\n" +
			"the packets decided by the rules that match what is in it. Lists come from [list.NAME] of the rule file: from its entries, or from a file.",
		Example: example("pfw lists"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			v, err := a.client().Lists(ctx)
			if err != nil {
				return err
			}
			return present(a, v, a.out.lists)
		},
	}
	cmd.AddCommand(a.refresh())
	return cmd
}

func (a *app) refresh() *cobra.Command {
	return &cobra.Command{
		Use:   "refresh [NAME...]",
		Short: "Read the lists anew, and put them in force",
		Long: "Have pfwd read the files of lists anew, and put them in force in one step with the rule file; NAME only chooses what is told\n" +
			"of them. A list that is not valid changes nothing. Exit status: 0 in force, 4 a file is not valid.",
		Example: example("cp spamhaus.netset /etc/pfw/lists/ && pfw lists refresh spamhaus"),
		Args:    words(0, math.MaxInt, ""), DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), reloadTime)
			defer cancel()
			before, err := a.client().Lists(ctx)
			if err != nil {
				return err
			}
			for i, name := range args {
				args[i] = strings.TrimPrefix(name, "@")
				if err := among(before, args[i]); err != nil {
					return err
				}
			}
			outcome, err := a.client().Reload(ctx)
			if err != nil {
				return err
			}
			after, err := a.client().Lists(ctx)
			if err != nil {
				return fmt.Errorf("policy in force, generation %d; its lists: %w", outcome.Generation, err)
			}
			for _, v := range []*api.Lists{&before, &after} {
				v.Lists = slices.DeleteFunc(v.Lists, func(l api.List) bool { return len(args) > 0 && !slices.Contains(args, l.Name) })
			}
			return present(a, after, func(after api.Lists) {
				a.warnings(outcome.Warnings)
				a.out.refreshed(before, after)
			})
		},
	}
}

// among refuses a name that no list has.
func among(v api.Lists, name string) error {
	var names []string
	for _, l := range v.Lists {
		if l.Name == name {
			return nil
		}
		names = append(names, l.Name)
	}
	hint := nearest(name, names)
	if hint == "" {
		hint = "pfw lists shows them"
	}
	return &usageError{fmt.Sprintf("there is no list %q", name), hint}
}

func (s *screen) lists(v api.Lists) {
	if len(v.Lists) == 0 {
		s.printf("there are no lists\n")
		return
	}
	rows := [][]cell{{
		{text: "LIST", style: faint}, {text: "ENTRIES", style: faint, right: true}, {text: "RANGES", style: faint, right: true},
		{text: "SKIPPED", style: faint, right: true}, {text: "PACKETS", style: faint, right: true}, {text: "UPDATED", style: faint}, {text: "SOURCE", style: faint},
	}}
	for _, l := range v.Lists {
		updated := ""
		if l.Updated != nil {
			updated = moment(*l.Updated)
		}
		skipped := cell{text: count(l.Skipped), right: true}
		if l.Skipped > 0 {
			skipped.style = yellow
		}
		rows = append(rows, []cell{
			{text: "@" + l.Name, style: bold}, {text: count(l.Entries), right: true}, {text: count(l.Ranges), right: true}, skipped,
			{text: count(l.Packets), right: true}, {text: updated}, {text: l.Source},
		})
	}
	s.table(rows, 6)
	gap := "\n"
	for _, l := range v.Lists {
		if l.Skipped > 0 {
			s.printf("%s%s skips what is no address: %s\n", block(gap), styled{bold, "@" + l.Name}, lines(l.SkippedLines))
			gap = ""
		}
		if l.Masked > 0 {
			s.printf("%s%s is read without the host bits of %s\n", block(gap), styled{bold, "@" + l.Name}, prefixes(l.Masked))
			gap = ""
		}
	}
}

func prefixes(n int) string {
	if n == 1 {
		return "1 prefix"
	}
	return count(n) + " prefixes"
}

// lines names some lines of a file.
func lines(numbers []int) string {
	const few = 10
	word := "lines "
	if len(numbers) == 1 {
		word = "line "
	}
	var parts []string
	for _, n := range numbers[:min(few, len(numbers))] {
		parts = append(parts, fmt.Sprint(n))
	}
	text := word + strings.Join(parts, ", ")
	if rest := len(numbers) - few; rest > 0 {
		text += " and " + count(rest) + " more"
	}
	return text
}

// refreshed tells how many entries each list had and has.
func (s *screen) refreshed(before, after api.Lists) {
	had := map[string]int{}
	for _, l := range before.Lists {
		had[l.Name] = l.Entries
	}
	for _, l := range after.Lists {
		was, there := had[l.Name]
		delete(had, l.Name)
		name, now := styled{bold, "@" + l.Name}, entries(uint64(l.Entries))
		switch {
		case !there:
			s.printf("%s: %s, and is new\n", name, now)
		case was == l.Entries:
			s.printf("%s: %s, as before\n", name, now)
		default:
			s.printf("%s: %s -> %s\n", name, count(was), now)
		}
	}
	for _, l := range before.Lists {
		if _, gone := had[l.Name]; gone {
			s.printf("%s is gone\n", styled{bold, "@" + l.Name})
		}
	}
}
