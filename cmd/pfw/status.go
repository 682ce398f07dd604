package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

// wayOut removes the firewall, daemon and all.
const wayOut = "systemctl stop pfwd; nft delete table inet pfw"

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Am I protected, since when, by what, is anything wrong",
		Example: example("pfw status",
			"pfw status --json | jq .packets.blocked"),
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			s, err := a.client().Status(ctx)
			if err != nil {
				return err
			}
			return present(a, s, func(s api.Status) { a.out.status(s, time.Now()) })
		},
	}
}

func (s *screen) status(v api.Status, now time.Time) {
	head := headline(v)
	since, policySince := v.Since, ""
	switch {
	case v.Panic != nil:
		since = v.Panic.Since
	case v.State == api.OK && v.Protecting != nil && moment(*v.Protecting) != moment(v.Since):
		since, policySince = *v.Protecting, ", since "+moment(v.Since)
	}
	s.printf("%s %s since %s (%s)\n\n", styled{head.style, "●"}, styled{bold, head.text}, moment(since), lasting(now.Sub(since.Time)))
	if p := v.Panic; p != nil {
		until := ""
		if p.Until != nil {
			until = fmt.Sprintf(", until %s (%s left)", moment(*p.Until), remaining(p.Until.Sub(now)))
		}
		s.printf("%s     since %s%s: pfw panic off returns to the policy\n", styled{red, "panic"}, moment(p.Since), until)
	}
	if t := v.Trying; t != nil {
		s.printf("%s     until %s (%s left): pfw confirm keeps it, pfw revert goes back\n", styled{yellow, "trial"},
			moment(t.Until), remaining(t.Until.Sub(now)))
	}
	s.printf("policy    %s, %s, generation %d%s\n", v.File, things(v.Rules, "rule"), v.Generation, policySince)
	s.printf("default   inbound %s, outbound %s, forward %s\n", v.Default.Inbound, v.Default.Outbound, v.Default.Forward)
	s.printf("lists     %s\n", listSizes(v.Lists))
	s.printf("packets   %s allowed, %s blocked\n", count(v.Packets.Allowed), count(v.Packets.Blocked))
	s.printf("log       %s logged, %s over the cap, %s\n", count(v.Events.Logged), count(v.Events.Suppressed),
		styled{alarming(v.Events.Lost), count(v.Events.Lost) + " lost"})
	s.printf("bans      %s\n", count(v.Bans))
	if len(v.Detectors) > 0 {
		s.printf("detects   %s\n", strings.Join(v.Detectors, ", "))
	}
	if len(v.Faults) == 0 {
		s.printf("faults    none\n")
	}
	for _, f := range v.Faults {
		s.printf("%s    since %s\n", styled{red, "fault "}, moment(f.Since))
		s.printf("          %s\n", block(indented(f.What)))
		if f.Remedy != "" {
			s.printf("  %s  %s\n", styled{bold, "do    "}, block(indented(f.Remedy)))
		}
	}
	for _, n := range v.Notices {
		s.printf("%s    since %s\n", styled{yellow, "notice"}, moment(n.Since))
		s.printf("          %s\n", block(indented(n.What)))
		if n.Remedy != "" {
			s.printf("          %s\n", block(indented(n.Remedy)))
		}
	}
	s.printf("way out   %s\n", wayOut)
	s.printf("version   %s\n", v.Version)
}

// headline answers the first question: am I protected?
func headline(v api.Status) styled {
	switch v.State {
	case api.OK:
		if v.Default.Inbound == "allow" {
			return styled{yellow, "in force, and lets in what no rule names,"}
		}
		return styled{green, "protected"}
	case api.Degraded:
		return styled{red, fmt.Sprintf("in force, but with %s,", things(len(v.Faults), "fault"))}
	case api.Panic:
		return styled{red, "panic: everything is blocked,"}
	case api.Trying:
		return styled{yellow, "in force on trial,"}
	}
	// A daemon newer than this program.
	return styled{yellow, string(v.State)}
}

func alarming(n uint64) style {
	if n > 0 {
		return yellow
	}
	return plain
}

// listSizes names the first few: status fits a screen.
func listSizes(all []api.ListSize) string {
	const few = 6
	if len(all) == 0 {
		return "none"
	}
	var parts []string
	for _, l := range all[:min(few, len(all))] {
		parts = append(parts, l.Written()+" "+count(l.Entries))
	}
	if rest := len(all) - few; rest > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", rest))
	}
	return strings.Join(parts, ", ")
}

// indented puts the lines after the first under it.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n          ")
}
