package config

import (
	"fmt"
	"slices"
	"strings"

	"pfw/config/policy"
)

// What the keys of a rule take, for whoever takes the same elsewhere: in a request, on a command line.

// ValueError says what is wrong with a value, and what helps.
type ValueError struct{ Message, Hint string }

func (e *ValueError) Error() string { return e.Message }

func valueError(w *fault) error {
	if w == nil {
		return nil
	}
	return &ValueError{w.message, w.advice()}
}

// ParseAddresses reads an address, a prefix or a range.
func ParseAddresses(s string) (policy.AddressRange, error) {
	sp, w := parseSpan(s)
	switch {
	case w == nil:
		w = sp.hostBits(s)
	case strings.Contains(s, "%"):
		w = wrong("leave the zone out", "%s", w.message)
	}
	return policy.AddressRange{First: sp.first, Last: sp.last}, valueError(w)
}

// ParsePorts reads a port, a range or the name of a service, which it may look up in a file of the source.
func ParsePorts(s string, source Source) (policy.PortRange, error) {
	n := &names{src: source}
	r, w := n.ports(s, nil)
	return r, valueError(w)
}

// ParseProtocol reads the name or the number of a protocol.
func ParseProtocol(s string) (policy.Protocol, error) {
	p, w := parseProtocol(s)
	return p, valueError(w)
}

// ParseRuleName reads the name of a rule, or one that stands in its place in the log.
func ParseRuleName(s string) (string, error) {
	if slices.Contains(policy.ReservedNames, s) {
		return s, nil
	}
	name, err := policy.ParseName(s)
	if err != nil {
		return "", &ValueError{err.Error(), ""}
	}
	return string(name), nil
}

// ParseWord reads one of the words; what says of what kind they are.
func ParseWord(s, what string, words []string) (string, error) {
	if slices.Contains(words, s) {
		return s, nil
	}
	return "", &ValueError{fmt.Sprintf("unknown %s %q", what, s), suggest(s, words)}
}
