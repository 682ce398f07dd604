package api

import (
	"fmt"
	"net/url"
	"slices"
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
	name string
	// also are other names for it: entries have some of the fields under them, and other programs ask so.
	also  []string
	add   func(f *audit.Filter, value string) error
	texts func(f audit.Filter) []string
}

var filterKeys = []filterKey{
	keyOf("rule", func(f *audit.Filter) *[]string { return &f.Rules }, config.ParseRuleName, itself),
	keyOf("src", func(f *audit.Filter) *[]policy.AddressRange { return &f.Sources }, config.ParseAddresses, rangeText).or("src_ip", "source"),
	keyOf("dest", func(f *audit.Filter) *[]policy.AddressRange { return &f.Dests }, config.ParseAddresses, rangeText).or("dest_ip", "dst", "dst_ip", "destination"),
	keyOf("address", func(f *audit.Filter) *[]policy.AddressRange { return &f.Addresses }, config.ParseAddresses, rangeText).or("addr", "ip"),
	keyOf("port", func(f *audit.Filter) *[]policy.PortRange { return &f.Ports }, parsePorts, policy.PortRange.String),
	keyOf("src_port", func(f *audit.Filter) *[]policy.PortRange { return &f.SourcePorts }, parsePorts, policy.PortRange.String).or("source_port"),
	keyOf("dest_port", func(f *audit.Filter) *[]policy.PortRange { return &f.DestPorts }, parsePorts, policy.PortRange.String).or("dst_port"),
	keyOf("direction", func(f *audit.Filter) *[]string { return &f.Directions }, oneOf("direction", Directions), itself),
	keyOf("action", func(f *audit.Filter) *[]string { return &f.Actions }, oneOf("action", Actions), itself),
	keyOf("proto", func(f *audit.Filter) *[]policy.Protocol { return &f.Protocols }, parseProtocol, policy.Protocol.String).or("protocol"),
	keyOf("event_type", func(f *audit.Filter) *[]audit.EventType { return &f.Events }, parseEventType, audit.EventType.String).or("event", "type"),
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

// or gives a key other names.
func (k filterKey) or(names ...string) filterKey {
	k.also = names
	return k
}

// FilterName gives the name of the key of a filter that has a name, or another name, as it is spelled.
func FilterName(name string) string {
	for _, key := range filterKeys {
		if slices.Contains(key.also, name) {
			return key.name
		}
	}
	return name
}

// ParseFilter reads a filter as it is written in a query: each key may be repeated, or its values joined by commas, and an
// event has to have one of them.
func ParseFilter(values url.Values) (f audit.Filter, err error) {
	for _, key := range filterKeys {
		var given []string
		for _, name := range append([]string{key.name}, key.also...) {
			given = append(given, values[name]...)
		}
		for _, joined := range given {
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
