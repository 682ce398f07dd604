package api

import (
	"fmt"
	"strings"

	"pfw/config"
	"pfw/config/policy"
)

// shape says what a policy and its ruleset are made of, one fact a line.
func shape(p *policy.Policy, lists []config.List, script string, most, none int) string {
	var b strings.Builder
	ways, disabled := map[string]int{}, 0
	for _, r := range p.Rules() {
		ways[r.Direction()]++
		if r.Disabled {
			disabled++
		}
	}
	fmt.Fprintf(&b, "rules     %d", len(p.Rules()))
	sep := ": "
	for _, way := range []string{"in", "out", "both", "forward"} {
		if n := ways[way]; n > 0 {
			fmt.Fprintf(&b, "%s%d %s", sep, n, way)
			sep = ", "
		}
	}
	if disabled > 0 {
		fmt.Fprintf(&b, "; %d disabled", disabled)
	}
	d := NewDefault(p.Defaults())
	fmt.Fprintf(&b, "\ndefault   inbound %s, outbound %s, forward %s\n", d.Inbound, d.Outbound, d.Forward)
	for i, l := range lists {
		head := "lists"
		if i > 0 {
			head = ""
		}
		fmt.Fprintf(&b, "%-9s %s: %d entries in %d ranges, from %s\n", head, writtenList(l.Name), l.Entries, l.Ranges, l.Source)
	}
	for i, seen := range p.Detect().On() {
		head := "detects"
		if i > 0 {
			head = ""
		}
		fmt.Fprintf(&b, "%-9s %s: %s\n", head, seen, p.Detect().Of(seen).Does(seen))
	}
	// What stands one tab deep in the script is the table's own.
	count := func(what string) int { return strings.Count(script, "\n\t"+what+" ") }
	fmt.Fprintf(&b, "ruleset   %d chains, %d sets, %d counters\n", count("chain"), count("set"), count("counter"))
	fmt.Fprintf(&b, "paths     %d maps; %d lookups where no rule matches, %d at most\n", count("map"), none, most)
	if strings.Contains(script, "hook prerouting") {
		b.WriteString("early     dropped before conntrack: who is banned")
		if n := strings.Count(script, "/early {\n"); n > 0 {
			fmt.Fprintf(&b, ", and whom %d of the rules block", n)
		}
		b.WriteString("\n")
	}
	return b.String()
}
