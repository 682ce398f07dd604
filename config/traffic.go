package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// protocolWords lists the names of protocols as a message should.
var protocolWords = []string{"tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "ah", "igmp"}

// parseProtocol reads a name or a number.
func parseProtocol(s string) (policy.Protocol, *fault) {
	if p, ok := policy.Protocols[s]; ok {
		return p, nil
	}
	if digits(s) {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			return 0, wrong("", "protocol %s is not between 0 and 255", s)
		}
		return policy.Protocol(n), nil
	}
	switch s {
	case "any", "all", "ip", "*":
		return 0, wrong("leave the key out for any protocol", "unknown protocol %q", s)
	}
	return 0, unknown(func() string { return suggest(s, protocolWords) }, "unknown protocol %q", s)
}

// scalar gives a string or a whole number as text.
func (r *reader) scalar(key string, v *value, want string) (string, bool) {
	switch v.kind {
	case unstable.String:
		return v.text, true
	case unstable.Integer:
		return strconv.FormatInt(v.whole, 10), true
	}
	r.mistyped(key, v, want, "")
	return "", false
}

// traffic reads protocol, port, source_port and icmp_type.
func (r *reader) traffic(n *names) policy.Traffic {
	before := r.failed
	r.failed = false
	protocols := r.protocols()
	usable := !r.failed
	r.failed = r.failed || before

	port, sourcePort, icmp := r.value("port"), r.value("source_port"), r.value("icmp_type")
	if port != nil || sourcePort != nil {
		asked := protocols
		if !usable {
			asked = []policy.Protocol{policy.TCP, policy.UDP, policy.SCTP}
		}
		destination, source := r.ports("port", asked, n), r.ports("source_port", asked, n)
		if icmp != nil {
			key := "port"
			if port == nil {
				key = "source_port"
			}
			r.fail("icmp_type", r.field("icmp_type").at, wrong("make it two rules", "%s and icmp_type cannot both hold", key))
		}
		if usable {
			return r.onPorts(protocols, destination, source)
		}
		return nil
	}
	if icmp != nil {
		return r.icmpTypes(protocols, usable)
	}
	if r.value("protocol") == nil {
		return policy.AnyTraffic{}
	}
	return policy.OfProtocols{Protocols: protocols}
}

func (r *reader) protocols() []policy.Protocol {
	var out []policy.Protocol
	for _, v := range r.each("protocol") {
		s, ok := r.scalar("protocol", v, "the name or number of a protocol")
		if !ok {
			continue
		}
		p, w := parseProtocol(s)
		if w != nil {
			r.fail("protocol", v.at, w)
		} else if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (r *reader) onPorts(protocols []policy.Protocol, destination, source policy.PortSet) policy.Traffic {
	for _, key := range []string{"port", "source_port"} {
		v := r.value(key)
		if v == nil {
			continue
		}
		for _, p := range protocols {
			if !p.HasPorts() {
				r.fail(key, v.at, wrong("ports belong to tcp, udp and sctp", "protocol %s has no ports, so the rule can never match", p))
				return nil
			}
		}
	}
	t, err := policy.NewOnPorts(protocols, destination, source)
	if err != nil {
		r.fail("protocol", r.t.at, wrong("", "%s", err))
		return nil
	}
	return t
}

func (r *reader) ports(key string, protocols []policy.Protocol, n *names) policy.PortSet {
	var out []policy.PortRange
	for _, v := range r.each(key) {
		s, ok := r.scalar(key, v, `a port, a range like "8000-8100" or the name of a service`)
		if !ok {
			continue
		}
		p, w := n.ports(s, protocols)
		if w != nil {
			r.fail(key, v.at, w)
			continue
		}
		out = append(out, p)
	}
	return policy.Ports(out...)
}

// ports reads a port, a range or a service of one of the protocols; no protocol means TCP and UDP.
func (n *names) ports(s string, protocols []policy.Protocol) (policy.PortRange, *fault) {
	first, last, isRange := strings.Cut(s, "-")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	switch {
	case digits(s):
		p, w := portNumber(s)
		return policy.PortRange{First: p, Last: p}, w
	case isRange && digits(first) && digits(last):
		a, w := portNumber(first)
		b, w2 := portNumber(last)
		switch {
		case w != nil:
			return policy.PortRange{}, w
		case w2 != nil:
			return policy.PortRange{}, w2
		case a > b:
			return policy.PortRange{}, wrong(fmt.Sprintf(`did you mean "%d-%d"?`, b, a), "range %q begins above its end", s)
		}
		return policy.PortRange{First: a, Last: b}, nil
	}
	if a, b, colon := strings.Cut(s, ":"); colon && digits(a) && digits(b) {
		return policy.PortRange{}, wrong(fmt.Sprintf("did you mean %q?", a+"-"+b), "%q is no port", s)
	}
	if strings.Contains(s, ",") {
		return policy.PortRange{}, wrong("write a list: [22, 80]", "%q is no port", s)
	}
	return n.servicePort(s, protocols)
}

func (n *names) servicePort(s string, protocols []policy.Protocol) (policy.PortRange, *fault) {
	known := n.service(s)
	if known == nil {
		if strings.HasPrefix(s, "-") && digits(s[1:]) {
			return policy.PortRange{}, wrong("a port is 1 to 65535", "%s is no port", s)
		}
		return policy.PortRange{}, unknown(func() string {
			if n.guesses.allow(len(n.services)) {
				if near := nearest(s, n.serviceNames()); near != "" {
					return fmt.Sprintf("did you mean %q?", near)
				}
			}
			return "write its port number"
		}, "unknown service %q", s)
	}
	if len(protocols) == 0 {
		protocols = []policy.Protocol{policy.TCP, policy.UDP}
	}
	var found []uint16
	for _, p := range protocols {
		if port, ok := known[p]; ok && !slices.Contains(found, port) {
			found = append(found, port)
		}
	}
	switch len(found) {
	case 0:
		var of []string
		for _, p := range slices.Sorted(maps.Keys(known)) {
			of = append(of, fmt.Sprintf("%s port %d", p, known[p]))
		}
		return policy.PortRange{}, wrong("name that protocol, or write the number of the port", "service %q is %s only", s, strings.Join(of, " and "))
	case 1:
		return policy.PortRange{First: found[0], Last: found[0]}, nil
	}
	return policy.PortRange{}, wrong("write the number of the port, or name one protocol", "service %q has another port in each protocol", s)
}

func portNumber(s string) (uint16, *fault) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, wrong("a port is 1 to 65535", "%s is no port", s)
	}
	return uint16(n), nil
}
