package policy

import (
	"fmt"
	"slices"
	"time"
)

// check says what is wrong with one rule by itself.
func (p *Policy) check(i int, r *Rule, now time.Time) []Problem {
	var out []Problem
	fatal := func(key, hint, format string, a ...any) {
		out = append(out, Problem{i, key, true, fmt.Sprintf(format, a...), hint})
	}
	warn := func(key, hint, format string, a ...any) {
		out = append(out, Problem{i, key, false, fmt.Sprintf(format, a...), hint})
	}

	if _, forward := r.Scope.(Forwarded); forward {
		if _, hooked := p.defaults.Forward.Verdict(); !hooked {
			fatal("direction", `set [default] forward to "allow", "block" or "reject"`,
				"a forward rule has no effect while [default] forward is \"ignore\"")
		}
	}
	for _, d := range Directions {
		m, ok := r.Match(d)
		if !ok {
			continue
		}
		if key, why := m.impossible(); why != "" {
			fatal(key, "name addresses of a family that the protocol has, or leave one of the keys out", "%s", why)
			break
		}
	}
	for _, x := range interfaceKeys(r.Scope) {
		if slices.ContainsFunc(x.list, func(i Interface) bool { return i.Matches("lo") && !i.prefix }) {
			warn(x.key, "loopback is always allowed, before any rule", "the rule can never match on interface lo")
		}
	}
	if t, ok := r.Traffic.(OfICMPTypes); ok {
		for _, n := range t.V4 {
			if !ICMPOpens(ICMP, n) {
				warn("icmp_type", "errors and replies belong to the connection they speak of", "icmp type %s opens no connection, so it never reaches a rule", ICMPTypeName(ICMP, n))
			}
		}
		for _, n := range t.V6 {
			switch {
			case slices.Contains(icmpv6Always, n):
				warn("icmp_type", "leave the type out", "icmpv6 type %s is always allowed, before any rule", ICMPTypeName(ICMPv6, n))
			case !ICMPOpens(ICMPv6, n):
				warn("icmp_type", "errors and replies belong to the connection they speak of", "icmpv6 type %s opens no connection, so it never reaches a rule", ICMPTypeName(ICMPv6, n))
			}
		}
	}
	switch {
	case r.MaxConnections != nil && r.Action != Allow:
		fatal("max_connections", `it bounds what a rule with action = "allow" lets pass`, "a rule that %s opens no connections that could be counted", r.Action.Verb())
	case r.Limit != nil && r.Action == Block:
		warn("limit", "leave it out; what comes often can be banned with the key ban", "a rule that blocks does so within its limit and over it")
	}
	if !r.Disabled && !r.Until.IsZero() && !r.Until.After(now) {
		r.Disabled = true
		warn("until", "remove the rule, or set a later time", "until %s is past; the rule is disabled", r.Until.Format(time.RFC3339))
	}
	return out
}

// interfacesOf is what one key of firewall.toml says of interfaces.
type interfacesOf struct {
	key  string
	list []Interface
}

func interfaceKeys(s Scope) []interfacesOf {
	switch s := s.(type) {
	case Inbound:
		return []interfacesOf{{"interface", s.Interfaces}}
	case Outbound:
		return []interfacesOf{{"interface", s.Interfaces}}
	case Both:
		return []interfacesOf{{"interface", s.Interfaces}}
	case Forwarded:
		return []interfacesOf{{"in_interface", s.InInterfaces}, {"out_interface", s.OutInterfaces}}
	}
	panic(fmt.Sprintf("policy: scope %T", s))
}

// impossible says why no packet can meet the match, "" where one can. An end that a list leaves empty is no mistake of
// the rule: the list may fill.
func (m *Match) impossible() (key, why string) {
	source, destination := endKeys(m.Direction)
	families := func(a Addresses) []Family {
		var out []Family
		for _, f := range Families {
			if !a.empty(f) {
				out = append(out, f)
			}
		}
		return out
	}
	sources, destinations := families(m.Source), families(m.Destination)
	if len(sources) == 0 || len(destinations) == 0 || len(m.Families()) > 0 {
		return "", ""
	}
	for _, end := range []struct {
		key  string
		list []Family
	}{{source, sources}, {destination, destinations}} {
		if len(end.list) > 1 {
			continue
		}
		if list, any := m.Traffic.protocols(end.list[0]); !any && len(list) == 0 {
			return end.key, fmt.Sprintf("the rule can never match: %s has %s addresses only, and %s is not spoken over %s", end.key, end.list[0], m.Traffic.text(), end.list[0])
		}
	}
	if len(sources) == 1 && len(destinations) == 1 && sources[0] != destinations[0] {
		return destination, fmt.Sprintf("the rule can never match: %s has %s addresses only and %s has %s addresses only", source, sources[0], destination, destinations[0])
	}
	return source, "the rule can never match: its addresses and its protocol leave no address family"
}

// endKeys names the keys of firewall.toml for the source and the destination of a direction's packets.
func endKeys(d Direction) (source, destination string) {
	switch d {
	case In:
		return "remote", "local"
	case Out:
		return "local", "remote"
	case Forward:
		return "from", "to"
	}
	panic(fmt.Sprintf("policy: direction %d", uint8(d)))
}
