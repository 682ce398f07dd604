package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) lists() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lists",
		Short: "The address lists: entries, skipped lines, age, packets",
		Long: "The lists of the policy in force, which rules name as @NAME: how many entries each has, how many ranges these are once what\n" +
			"overlaps or adjoins is put together, lines that were skipped as they are no addresses, the packets decided by the rules that\n" +
			"match what is in it, and when it was changed last; of a list from the net, when it was last found to be as it is, when it is due\n" +
			"again, and why the last try to fetch it failed. Lists come from [list.NAME] of the rule file: from its entries, a file, or a URL.",
		Example: example("pfw lists"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			v, err := a.client().Lists(ctx)
			if err != nil {
				return err
			}
			return present(a, v, func(v api.Lists) { a.out.lists(v, time.Now()) })
		},
	}
	cmd.AddCommand(a.refresh())
	return cmd
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

func (s *screen) lists(v api.Lists, now time.Time) {
	if len(v.Lists) == 0 {
		s.printf("there are no lists\n")
		return
	}
	net := slices.ContainsFunc(v.Lists, func(l api.List) bool { return l.Kind == api.FromNet || l.Next != nil })
	head := []cell{
		{text: "LIST", style: faint}, {text: "ENTRIES", style: faint, right: true}, {text: "RANGES", style: faint, right: true},
		{text: "SKIPPED", style: faint, right: true}, {text: "PACKETS", style: faint, right: true}, {text: "UPDATED", style: faint},
	}
	if net {
		head = append(head, cell{text: "NEXT", style: faint})
	}
	rows := [][]cell{append(head, cell{text: "SOURCE", style: faint})}
	for _, l := range v.Lists {
		skipped := cell{text: count(l.Skipped), right: true}
		if l.Skipped > 0 {
			skipped.style = yellow
		}
		row := []cell{
			{text: l.Written(), style: bold}, {text: count(l.Entries), right: true}, {text: count(l.Ranges), right: true}, skipped,
			{text: count(l.Packets), right: true}, updated(l, now),
		}
		if net {
			row = append(row, next(l, now))
		}
		rows = append(rows, append(row, cell{text: l.Source}))
	}
	s.table(rows, len(rows[0])-1)
	gap := "\n"
	tell := func(l api.List, format string, args ...any) {
		s.printf("%s%s "+format+"\n", append([]any{block(gap), styled{bold, l.Written()}}, args...)...)
		gap = ""
	}
	for _, l := range v.Lists {
		if l.Skipped > 0 {
			tell(l, "skips what is no address: %s", lines(l.SkippedLines))
		}
		if l.Masked > 0 {
			tell(l, "is read without the host bits of %s", prefixes(l.Masked))
		}
		if l.Error != "" {
			tell(l, "is %s: %s", styled{red, "not refreshed"}, l.Error)
		}
	}
}

// updated tells how old a list is.
func updated(l api.List, now time.Time) cell {
	switch {
	case l.Updated != nil:
		return cell{text: ago(now.Sub(l.Updated.Time))}
	case l.Kind == api.FromNet:
		return cell{text: "never", style: red}
	}
	return cell{}
}

// next tells when a list from the net is fetched again.
func next(l api.List, now time.Time) cell {
	if l.Next == nil {
		return cell{}
	}
	return cell{text: due(l.Next.Sub(now))}
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
