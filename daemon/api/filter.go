package api

import (
	"fmt"
	"net/url"
	"strings"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/audit"
)

// FilterError says of which key of a filter a value is wrong. It wraps a *config.ValueError.
type FilterError struct {
	Key string
	Err error
}

func (e *FilterError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap gives what is wrong with the value.
func (e *FilterError) Unwrap() error { return e.Err }

// The words that a filter knows.
var (
	Directions = words(policy.Directions)
	Actions    = words([]policy.Verdict{policy.Allow, policy.Block, policy.Reject})
	EventTypes = words(audit.EventTypes)
)

func words[T fmt.Stringer](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.String()
	}
	return out
}

// filterKey is one key of a filter on the wire.
type filterKey struct {
	name  string
	add   func(f *audit.Filter, value string) error
	texts func(f audit.Filter) []string
}

var filterKeys = []filterKey{
	keyOf("rule", func(f *audit.Filter) *[]string { return &f.Rules }, config.ParseRuleName, itself),
	keyOf("src", func(f *audit.Filter) *[]policy.AddressRange { return &f.Sources }, config.ParseAddresses, rangeText),
	keyOf("dest", func(f *audit.Filter) *[]policy.AddressRange { return &f.Dests }, config.ParseAddresses, rangeText),
	keyOf("port", func(f *audit.Filter) *[]policy.PortRange { return &f.Ports }, parsePorts, policy.PortRange.String),
	keyOf("direction", func(f *audit.Filter) *[]string { return &f.Directions }, oneOf("direction", Directions), itself),
	keyOf("action", func(f *audit.Filter) *[]string { return &f.Actions }, oneOf("action", Actions), itself),
	keyOf("proto", func(f *audit.Filter) *[]policy.Protocol { return &f.Protocols }, parseProtocol, policy.Protocol.String),
	keyOf("event_type", func(f *audit.Filter) *[]audit.EventType { return &f.Events }, parseEventType, audit.EventType.String),
}

func keyOf[T any](name string, list func(*audit.Filter) *[]T, parse func(string) (T, error), text func(T) string) filterKey {
	return filterKey{
		name: name,
		add: func(f *audit.Filter, value string) error {
			v, err := parse(value)
			if err != nil {
				return &FilterError{name, err}
			}
			*list(f) = append(*list(f), v)
			return nil
		},
		texts: func(f audit.Filter) (out []string) {
			for _, v := range *list(&f) {
				out = append(out, text(v))
			}
			return out
		},
	}
}

// ParseFilter reads a filter as it is written in a query: each key may be repeated, or its values joined by commas, and an
// event has to have one of them.
func ParseFilter(values url.Values) (f audit.Filter, err error) {
	for _, key := range filterKeys {
		for _, joined := range values[key.name] {
			for value := range strings.SplitSeq(joined, ",") {
				if err := key.add(&f, strings.TrimSpace(value)); err != nil {
					return audit.Filter{}, err
				}
			}
		}
	}
	return f, nil
}

// filterValues writes a filter as ParseFilter reads it.
func filterValues(f audit.Filter) url.Values {
	values := url.Values{}
	for _, key := range filterKeys {
		if texts := key.texts(f); len(texts) > 0 {
			values.Set(key.name, strings.Join(texts, ","))
		}
	}
	return values
}

func itself(s string) string { return s }

func rangeText(r policy.AddressRange) string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

func oneOf(what string, words []string) func(string) (string, error) {
	return func(s string) (string, error) { return config.ParseWord(s, what, words) }
}

func parsePorts(s string) (policy.PortRange, error) { return config.ParsePorts(s, config.Disk()) }

// parseProtocol takes the spelling of entries too, TCP.
func parseProtocol(s string) (policy.Protocol, error) {
	return config.ParseProtocol(strings.ToLower(s))
}

func parseEventType(s string) (audit.EventType, error) {
	if _, err := config.ParseWord(s, "event type", EventTypes); err != nil {
		return 0, err
	}
	return audit.ParseEventType(s)
}
