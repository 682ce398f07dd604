package config

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	text = strings.NewReplacer("\t", " ", "\r", " ", "\n", " ").Replace(text)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, wrong("", "the packet has characters that do not print")
	}
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
			end := 0
			for end < len(rest) && rest[end] != ' ' && !strings.HasPrefix(rest[end:], "->") && !strings.HasPrefix(rest[end:], "→") {
				end++
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
