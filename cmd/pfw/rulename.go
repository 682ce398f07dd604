package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pfw/config"
)

// longestMade leaves room for a number behind a name that is made; a name has 48 characters at most.
const longestMade = 43

var notOfAName = regexp.MustCompile(`[^a-z0-9.]+`)

// nameFor makes a name that says what the rule is about, and that no other rule has.
func nameFor(d config.Draft, taken []string) string {
	parts := slices.Concat(d["action"], d["direction"], d["protocol"])
	for _, port := range d["port"] {
		if n, ok := config.ServicePort(port, d["protocol"], config.Disk()); ok {
			port = fmt.Sprint(n)
		}
		parts = append(parts, port)
	}
	for _, key := range []string{"icmp_type", "remote", "from", "to", "user", "interface"} {
		// What a rule is about is its service, or else whatever is named first.
		if len(parts) == 2 || key == "icmp_type" {
			parts = append(parts, d[key]...)
		}
	}
	name := strings.Trim(notOfAName.ReplaceAllString(strings.ToLower(strings.Join(parts, "-")), "-"), "-.")
	if len(name) > longestMade {
		name = strings.TrimRight(name[:longestMade], "-.")
	}
	unique := name
	for n := 2; slices.Contains(taken, unique); n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	return unique
}
