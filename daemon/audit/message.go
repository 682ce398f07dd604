package audit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Message is e as one line for people: the journal's MESSAGE, the line on standard error. It holds nothing that a terminal interprets.
func (e *Entry) Message() string {
	return e.MessageBy(func(t time.Time) string { return t.UTC().Format(time.RFC3339) })
}

// MessageBy is Message with its times as the caller spells them.
func (e *Entry) MessageBy(spell func(time.Time) string) string {
	b := told{spell: spell}
	b.WriteString(e.verb())
	switch e.EventType {
	case Drop, Allow, Cut, Alert, Ban, Unban:
		switch {
		case e.PFW.Count > 0:
			e.summary(&b)
		case e.EventType == Ban || e.EventType == Unban:
			e.about(&b)
			e.reason(&b)
		default:
			e.packet(&b)
			if e.EventType == Alert {
				e.reason(&b)
			}
		}
	case Suppressed:
		e.about(&b)
	case Lost, Reload, Tamper, Panic:
		e.about(&b)
		e.reason(&b)
	default:
		panic("audit: message of " + e.EventType.String())
	}
	return printable(b.String())
}

// verb is what happened.
func (e *Entry) verb() string {
	switch e.EventType {
	case Drop:
		if e.PFW.Action == "reject" {
			return "REJECTED"
		}
		return "BLOCKED"
	case Allow:
		return "ALLOWED"
	case Ban:
		return "BANNED"
	case Unban:
		return "UNBANNED"
	case Cut, Alert, Suppressed, Lost, Reload, Tamper, Panic:
		return strings.ToUpper(e.EventType.String())
	default:
		panic("audit: verb of " + e.EventType.String())
	}
}

// told is a line that is being written.
type told struct {
	strings.Builder
	spell func(time.Time) string
}

// packet writes what happened to which packet, in the order of the words of pfw explain.
func (e *Entry) packet(b *told) {
	word(b, "", e.Direction)
	word(b, "", e.protoWord())
	if e.SrcIP.IsValid() || e.DestIP.IsValid() {
		word(b, "", endpoint(e.SrcIP.Addr(), e.SrcPort))
		b.WriteString(" ->")
		word(b, "", endpoint(e.DestIP, e.DestPort))
	}
	switch {
	case e.InIface != "" && e.OutIface != "":
		word(b, "from ", e.InIface)
		word(b, "to ", e.OutIface)
	default:
		word(b, "", e.InIface+e.OutIface)
	}
	word(b, "rule=", e.PFW.Rule)
	word(b, "over=", e.PFW.Over)
	word(b, "name=", e.PFW.Name)
}

// about writes an entry that is no packet.
func (e *Entry) about(b *told) {
	if n := e.PFW.Count; n == 1 {
		b.WriteString(" 1 packet")
	} else if n > 1 {
		b.WriteString(" " + strconv.FormatUint(n, 10) + " packets")
	}
	if e.EventType == Suppressed {
		b.WriteString(" over the log cap")
	}
	if e.SrcIP.IsValid() {
		b.WriteByte(' ')
		b.Write(appendHost(nil, e.SrcIP))
	}
	word(b, "", e.Direction)
	word(b, "rule=", e.PFW.Rule)
	if e.PFW.Generation != 0 {
		word(b, "generation=", strconv.FormatUint(e.PFW.Generation, 10))
	}
	moment(b, "since ", e.PFW.Since)
	moment(b, "until ", e.PFW.Until)
}

// summary writes an entry that sums up others.
func (e *Entry) summary(b *told) {
	b.WriteString(" " + grouped(e.PFW.Count) + " more in the last ")
	if s := e.Timestamp.Sub(e.PFW.Since).Round(time.Second); s <= time.Second {
		b.WriteString("second")
	} else {
		b.WriteString(s.String())
	}
	word(b, "", e.Direction)
	word(b, "rule=", e.PFW.Rule)
	b.WriteString(" (" + e.PFW.Reason + ")")
}

// grouped is a number with commas between the thousands.
func grouped(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	return grouped(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

func (e *Entry) reason(b *told) {
	if e.PFW.Reason != "" {
		b.WriteString(": " + e.PFW.Reason)
	}
}

func word(b *told, key, s string) {
	if s != "" {
		b.WriteString(" " + key + s)
	}
}

func moment(b *told, key string, t time.Time) {
	if !t.IsZero() {
		word(b, key, b.spell(t))
	}
}

func endpoint(a netip.Addr, port Opt[uint16]) string {
	switch {
	case !a.IsValid():
		return "?"
	case !port.Known:
		return a.WithZone("").String()
	default:
		return netip.AddrPortFrom(a.WithZone(""), port.V).String()
	}
}

// requests are the ICMP types that open a connection, by nft's names; the others are part of one and are not logged by themselves.
var requests = map[string]map[uint8]string{
	"icmp":   {8: "echo-request", 13: "timestamp-request", 15: "info-request", 17: "address-mask-request"},
	"icmpv6": {128: "echo-request"},
}

// protoWord spells the protocol as the rule file does: tcp, icmpv6, icmp/echo-request.
func (e *Entry) protoWord() string {
	proto := strings.ToLower(e.Proto)
	if proto == "ipv6-icmp" {
		proto = "icmpv6"
	}
	if !e.ICMPType.Known {
		return proto
	}
	if name, ok := requests[proto][e.ICMPType.V]; ok {
		return proto + "/" + name
	}
	return proto + "/" + strconv.Itoa(int(e.ICMPType.V))
}

// printable escapes what a terminal or the journal would take for more than text: the kernel allows control characters in the name
// of an interface, and a reason may quote a file.
func printable(s string) string {
	clean := func(r rune) bool { return unicode.IsPrint(r) && r != unicode.ReplacementChar }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if clean(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
