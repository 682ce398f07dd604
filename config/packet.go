package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
)

// packetForm is the syntax in one line, for hints.
const packetForm = `write it like "in tcp 192.0.2.7 -> :22", "out udp -> [2001:db8::1]:53" or "in icmp/echo-request 192.0.2.7 ->"`

// ParsePacket reads a packet in the one syntax that explain and [[expect]] share:
//
//	DIRECTION PROTOCOL[/ICMP-TYPE] [SOURCE][:PORT] -> [DESTINATION][:PORT] [on IFACE] [user NAME] [group NAME] [unit NAME] [app PATH] [at TIME]
//
// with [from IFACE] [to IFACE] instead of on for forwarded packets. src tells the numbers of services, users and groups.
// Without at the packet comes at now, and a zero now is no time. Times are read by the clock of now's location, the
// machine's where now is zero.
func ParsePacket(text string, src Source, now time.Time) (policy.Flow, error) {
	f, w := parsePacket(text, &names{src: src}, now, now)
	if w != nil {
		return policy.Flow{}, w
	}
	return f, nil
}

// packetReader holds the words of a packet that are not read yet.
type packetReader struct {
	words []string
	names *names
	flow  policy.Flow
	// today is the day of a time without a date; zero is none.
	today time.Time
	// typeName is the ICMP type as it was written.
	typeName string
}

func parsePacket(text string, n *names, now, today time.Time) (policy.Flow, *fault) {
	words, w := packetWords(text)
	if w != nil {
		return policy.Flow{}, w
	}
	p := &packetReader{words: words, names: n, today: today}
	if !now.IsZero() {
		p.flow.Time = policy.Known(now)
	}
	for _, step := range []func() *fault{p.direction, p.protocol, p.ends, p.icmpType, p.facts} {
		if w := step(); w != nil {
			return policy.Flow{}, w
		}
	}
	return p.flow, nil
}

// packetWords splits a packet at spaces; the arrow needs none around it. A word with spaces stands in quotation marks.
func packetWords(text string) ([]string, *fault) {
	var words []string
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		switch {
		case strings.HasPrefix(rest, "->"):
			words, rest = append(words, "->"), rest[2:]
		case strings.HasPrefix(rest, "→"):
			words, rest = append(words, "->"), rest[len("→"):]
		case rest[0] == '"':
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return nil, wrong("", "a quotation mark is missing in the packet")
			}
			words, rest = append(words, rest[1:1+end]), rest[end+2:]
		default:
			end := len(rest)
			for _, stop := range []string{" ", "\t", "\n", "\r", "->", "→"} {
				if i := strings.Index(rest, stop); i >= 0 && i < end {
					end = i
				}
			}
			words, rest = append(words, rest[:end]), rest[end:]
		}
	}
	if len(words) == 0 {
		return nil, wrong(packetForm, "the packet is empty")
	}
	return words, nil
}

func (p *packetReader) next() (string, bool) {
	if len(p.words) == 0 {
		return "", false
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w, true
}

func (p *packetReader) direction() *fault {
	word, _ := p.next()
	for _, d := range policy.Directions {
		if word == d.String() {
			p.flow.Direction = d
			return nil
		}
	}
	if word == "both" {
		return wrong(`write "in" or "out"`, "a packet goes one way")
	}
	return wrong(suggest(word, []string{"in", "out", "forward"}), "unknown direction %q", word)
}

func (p *packetReader) protocol() *fault {
	word, ok := p.next()
	if !ok || word == "->" {
		return wrong(packetForm, "the packet names no protocol")
	}
	name, icmpType, typed := strings.Cut(word, "/")
	protocol, w := parseProtocol(name)
	if w != nil {
		return w
	}
	if typed && protocol != policy.ICMP && protocol != policy.ICMPv6 {
		return wrong("only icmp and icmpv6 have types", "protocol %s has no icmp types", protocol)
	}
	if typed && icmpType == "" {
		return wrong("for example icmp/echo-request", "the icmp type after %q is missing", "/")
	}
	p.flow.Protocol, p.typeName = protocol, icmpType
	return nil
}

// icmpType reads the type after the family is known.
func (p *packetReader) icmpType() *fault {
	if p.typeName == "" {
		return nil
	}
	v4, v6, w := icmpType(p.typeName, []policy.Protocol{p.flow.Protocol})
	if w != nil {
		return w
	}
	p.flow.ICMPType = policy.Known(slices.Concat(v4, v6)[0])
	return nil
}

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
