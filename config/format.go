package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"pfw/config/policy"
)

// FormatPacket writes a packet so that ParsePacket reads it back. What is not known is left out.
func FormatPacket(f policy.Flow) string {
	protocol := f.Protocol.String()
	if t, ok := f.ICMPType.Get(); ok && (f.Protocol == policy.ICMP || f.Protocol == policy.ICMPv6) {
		protocol += "/" + policy.ICMPTypeName(f.Protocol, t)
	}
	source, destination := formatEnd(f, f.Source, f.SourcePort), formatEnd(f, f.Destination, f.DestinationPort)
	if f.Family == policy.IPv6 && f.Protocol.In(policy.IPv4) {
		_, knowsSource := f.Source.Get()
		_, knowsDestination := f.Destination.Get()
		switch {
		case knowsSource || knowsDestination:
		case f.Direction == policy.Out:
			destination = "[::]" + destination
		default:
			source = "[::]" + source
		}
	}
	parts := []string{f.Direction.String(), protocol}
	for _, s := range []string{source, "->", destination} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	in, out := "on", "on"
	if f.Direction == policy.Forward {
		in, out = "from", "to"
	}
	parts = formatFact(parts, in, f.InInterface)
	parts = formatFact(parts, out, f.OutInterface)
	parts = formatFact(parts, "user", f.User)
	parts = formatFact(parts, "group", f.Group)
	parts = formatFact(parts, "unit", f.Unit)
	parts = formatFact(parts, "app", f.App)
	if t, ok := f.Time.Get(); ok {
		parts = append(parts, "at", t.Format(time.RFC3339Nano))
	}
	return strings.Join(parts, " ")
}

func formatEnd(f policy.Flow, address policy.Field[netip.Addr], port policy.Field[uint16]) string {
	out := ""
	a, known := address.Get()
	n, hasPort := port.Get()
	hasPort = hasPort && f.Protocol.HasPorts()
	switch {
	case known && hasPort && a.Is6():
		out = "[" + a.String() + "]"
	case known:
		out = a.String()
	}
	if hasPort {
		out += fmt.Sprintf(":%d", n)
	}
	return out
}

func formatFact[T any](parts []string, word string, f policy.Field[T]) []string {
	v, ok := f.Get()
	if !ok {
		return parts
	}
	s := fmt.Sprint(v)
	if strings.Contains(s, " ") || strings.Contains(s, "->") || strings.Contains(s, "→") {
		s = `"` + s + `"`
	}
	return append(parts, word, s)
}
