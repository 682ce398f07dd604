package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// meant maps the words of other firewalls to those of this one.
var meant = map[string][]string{
	"drop": {"block"}, "deny": {"block"}, "discard": {"block"}, "accept": {"allow"}, "pass": {"allow"}, "permit": {"allow"},
	"input": {"in", "inbound"}, "incoming": {"in", "inbound"}, "inbound": {"in"}, "ingress": {"in"}, "in": {"inbound"},
	"output": {"out", "outbound"}, "outgoing": {"out", "outbound"}, "outbound": {"out"}, "egress": {"out"}, "out": {"outbound"},
	"inout": {"both"}, "any": {"both"}, "all": {"both"}, "routed": {"forward"}, "fwd": {"forward"},
	"ip": {"remote"}, "ips": {"remote"}, "address": {"remote"}, "src": {"remote"}, "source": {"remote"}, "dst": {"remote"}, "dest": {"remote"},
	"destination": {"remote"}, "host": {"remote"}, "peer": {"remote"}, "dport": {"port"}, "dest_port": {"port"}, "dst_port": {"port"},
	"ports": {"port"}, "sport": {"source_port"}, "src_port": {"source_port"}, "proto": {"protocol"}, "protocols": {"protocol"},
	"iface": {"interface"}, "dev": {"interface"}, "device": {"interface"}, "id": {"name"}, "description": {"comment"}, "uid": {"user"}, "gid": {"group"},
	"icmp6": {"icmpv6"}, "ipv6-icmp": {"icmpv6"}, "ping": {"echo-request"}, "critical": {"high"}, "info": {"low"}, "warning": {"medium"},
	"expires": {"until"}, "target": {"action"}, "policy": {"action"}, "verdict": {"action"}, "addresses": {"entries"}, "path": {"file"},
}

// nearest gives the candidate that somebody who wrote word most likely meant, "" where none is close.
func nearest(word string, candidates []string) string {
	lower := strings.ToLower(strings.TrimSpace(word))
	for _, m := range meant[lower] {
		if slices.Contains(candidates, m) {
			return m
		}
	}
	sorted := slices.Sorted(slices.Values(candidates))
	best, least := "", 1+len(lower)/3
	for _, c := range sorted {
		d := levenshtein.Distance(lower, strings.ToLower(c), nil)
		if swapped(lower, strings.ToLower(c)) {
			d = 1
		}
		if d < least || d == least && best == "" {
			best, least = c, d
		}
	}
	return best
}

// swapped tells whether a and b differ by two neighbouring characters that changed places, which Levenshtein counts as
// two edits and a person as one slip.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// suggest is a hint for a word that is none of the candidates.
func suggest(word string, candidates []string) string {
	const few = 10
	var parts []string
	if near := nearest(word, candidates); near != "" {
		parts = append(parts, fmt.Sprintf("did you mean %q?", near))
	}
	if len(candidates) <= few && len(candidates) > 0 || len(parts) == 0 && len(candidates) > 0 && len(candidates) <= 30 {
		parts = append(parts, "valid: "+oneOf(candidates))
	}
	return strings.Join(parts, " ")
}

func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(quoted, ", ")
}
