package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// meant maps the words of other firewalls to those of this one.
var meant = map[string][]string{
	"block": {"drop"}, "blocked": {"block", "drop"}, "dropped": {"block", "drop"}, "denied": {"block", "drop"}, "reject": {"drop"},
	"rejected": {"reject", "drop"}, "refused": {"reject", "drop"}, "allowed": {"allow"}, "accepted": {"allow"}, "passed": {"allow"},
	"banned": {"ban"}, "unbanned": {"unban"}, "drop": {"block"}, "deny": {"block", "drop"}, "discard": {"block"}, "accept": {"allow"}, "pass": {"allow"}, "permit": {"allow"},
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
	// What is longer than any name is no slip of the pen.
	if len(word) > 100 {
		return ""
	}
	best, least := "", 1+len(lower)/3
	for _, c := range candidates {
		if len(c)-len(lower) > least || len(lower)-len(c) > least {
			continue
		}
		d := levenshtein.Distance(lower, strings.ToLower(c), nil)
		if swapped(lower, strings.ToLower(c)) {
			d = 1
		}
		if d < least || d == least && (best == "" || c < best) {
			best, least = c, d
		}
	}
	return best
}

// guesses bounds how many words are compared for hints, so that a file with a thousand unknown names and ten thousand
// known ones is refused at once.
type guesses struct{ left int }

const mostGuesses = 300_000

// allow tells whether to compare with n words.
func (g *guesses) allow(n int) bool {
	if g == nil {
		return true
	}
	g.left -= n
	return g.left >= 0
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

// DidYouMean is a hint that names the candidate that somebody who wrote word most likely meant, "" where none is close.
func DidYouMean(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
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
