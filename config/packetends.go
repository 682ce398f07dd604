package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pfw/config/policy"
)

// packetEnd is one end of a packet as it was written.
type packetEnd struct {
	address netip.Addr
	// six says that the address is [::], which stands for any of IPv6.
	six  bool
	port uint16
}

// ends reads both ends and the arrow between them, and finds the family.
func (p *packetReader) ends() *fault {
	arrow := slices.IndexFunc(p.words, func(w string) bool { return w == "->" || w == "to" })
	switch {
	case arrow < 0:
		return wrong("write the source, ->, and the destination; what is left out is left out beside the arrow", "the packet has no arrow ->")
	case arrow > 1:
		return wrong(packetForm, "%q is too much before the arrow", strings.Join(p.words[1:arrow], " "))
	}
	var source, destination packetEnd
	var w *fault
	if arrow == 1 {
		if source, w = p.end(p.words[0]); w != nil {
			return w
		}
	}
	p.words = p.words[arrow+1:]
	if len(p.words) > 0 && !slices.Contains(packetFacts, p.words[0]) {
		word, _ := p.next()
		if destination, w = p.end(word); w != nil {
			return w
		}
	}
	if w := p.family(source, destination); w != nil {
		return w
	}
	f := &p.flow
	if f.Protocol.HasPorts() {
		f.SourcePort = policy.Anything[uint16]()
	}
	// Its own address is what the machine knows best and a person least.
	switch f.Direction {
	case policy.In:
		f.Destination = policy.Anything[netip.Addr]()
	case policy.Out:
		f.Source = policy.Anything[netip.Addr]()
	}
	if source.address.IsValid() {
		f.Source = policy.Known(source.address)
	}
	if destination.address.IsValid() {
		f.Destination = policy.Known(destination.address)
	}
	if source.port != 0 {
		f.SourcePort = policy.Known(source.port)
	}
	if destination.port != 0 {
		f.DestinationPort = policy.Known(destination.port)
	}
	return nil
}

// family finds the address family: that of the addresses, else that of the protocol, else IPv4.
func (p *packetReader) family(ends ...packetEnd) *fault {
	var found policy.Family
	for _, e := range ends {
		var f policy.Family
		switch {
		case e.six || e.address.Is6():
			f = policy.IPv6
		case e.address.Is4():
			f = policy.IPv4
		default:
			continue
		}
		if found != 0 && found != f {
			return wrong("", "one end is %s and the other %s", found, f)
		}
		found = f
	}
	if found == 0 {
		found = policy.IPv4
		if !p.flow.Protocol.In(policy.IPv4) {
			found = policy.IPv6
		}
	}
	if !p.flow.Protocol.In(found) {
		return wrong(fmt.Sprintf("write %s", counterpart(p.flow.Protocol)), "%s is not spoken over %s", p.flow.Protocol, found)
	}
	p.flow.Family = found
	return nil
}

// counterpart is the protocol that does in the other family what p does in its own.
func counterpart(p policy.Protocol) string {
	if p == policy.ICMP {
		return "icmpv6"
	}
	if p == policy.ICMPv6 {
		return "icmp"
	}
	return "an IPv4 address"
}

// end reads [ADDRESS][:PORT].
func (p *packetReader) end(s string) (packetEnd, *fault) {
	host, port, hasPort := s, "", false
	switch {
	case strings.HasPrefix(s, "["):
		inside, rest, closed := strings.Cut(s[1:], "]")
		if !closed {
			return packetEnd{}, wrong("write [2001:db8::1]:22", "%q lacks its closing bracket", s)
		}
		host = inside
		if port, hasPort = strings.CutPrefix(rest, ":"); !hasPort && rest != "" {
			return packetEnd{}, wrong("write [2001:db8::1]:22", "%q: %q is too much after the bracket", s, rest)
		}
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return packetEnd{}, wrong("brackets hold an IPv6 address, like [2001:db8::1]:22", "%q is no IPv6 address", host)
		}
	case strings.Count(s, ":") == 1:
		host, port, hasPort = strings.Cut(s, ":")
	}
	var e packetEnd
	if hasPort {
		if w := p.port(port, &e); w != nil {
			return packetEnd{}, w
		}
	}
	if host == "" {
		return e, nil
	}
	a, w := parseAddr(host)
	switch {
	case strings.Contains(host, "%"):
		return packetEnd{}, wrong("name the interface with on", "%q has a zone", host)
	case w != nil && w.hint == addressForms:
		hint := packetForm
		if host == "any" || host == "*" {
			hint = "leave the address out"
		} else if near := nearest(host, packetFacts); near != "" && near != "to" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return packetEnd{}, wrong(hint, "%q is no address", host)
	case w != nil:
		return packetEnd{}, w
	case a == netip.IPv6Unspecified():
		e.six = true
	default:
		e.address = a
	}
	return e, nil
}

func (p *packetReader) port(s string, e *packetEnd) *fault {
	protocol := p.flow.Protocol
	if !protocol.HasPorts() {
		return wrong("leave the port out", "protocol %s has no ports", protocol)
	}
	if s == "" {
		return wrong("write a number after the colon, or leave both out", "the port is missing")
	}
	r, w := p.names.ports(s, []policy.Protocol{protocol})
	if w == nil && r.First != r.Last {
		w = wrong("a packet has one port", "%q is no port", s)
	}
	e.port = r.First
	return w
}
