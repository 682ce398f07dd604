package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Traffic is what a rule asks of the protocol: one of AnyTraffic, OfProtocols, OnPorts and OfICMPTypes. Each holds
// only what makes sense together, so a rule cannot ask for the port of an ICMP packet.
type Traffic interface {
	// protocols lists those that match in the family; any is true where all do.
	protocols(f Family) (list []Protocol, any bool)
	text() string
}

// AnyTraffic asks for nothing.
type AnyTraffic struct{}

// OfProtocols asks for one of several protocols.
type OfProtocols struct{ Protocols []Protocol }

// OnPorts asks for a protocol with ports, and for ports; use NewOnPorts.
type OnPorts struct {
	list                []Protocol
	Destination, Source PortSet
}

// OfICMPTypes asks for types of ICMP, of ICMPv6 or of both. No types of one of them: that one does not match.
type OfICMPTypes struct{ V4, V6 []uint8 }

// NewOnPorts makes an OnPorts; it refuses protocols that have no ports. No protocol means TCP and UDP.
func NewOnPorts(protocols []Protocol, destination, source PortSet) (OnPorts, error) {
	for _, p := range protocols {
		if !p.HasPorts() {
			return OnPorts{}, fmt.Errorf("%s has no ports", p)
		}
	}
	if len(protocols) == 0 {
		protocols = []Protocol{TCP, UDP}
	}
	return OnPorts{slices.Clone(protocols), destination, source}, nil
}

// Protocols lists what the ports belong to.
func (t OnPorts) Protocols() []Protocol { return slices.Clone(t.list) }

func (AnyTraffic) protocols(Family) ([]Protocol, bool) { return nil, true }

func (t OfProtocols) protocols(f Family) ([]Protocol, bool) { return ofFamily(t.Protocols, f), false }

func (t OnPorts) protocols(f Family) ([]Protocol, bool) { return ofFamily(t.list, f), false }

func (t OfICMPTypes) protocols(f Family) ([]Protocol, bool) {
	if f == IPv4 && len(t.V4) > 0 {
		return []Protocol{ICMP}, false
	}
	if f == IPv6 && len(t.V6) > 0 {
		return []Protocol{ICMPv6}, false
	}
	return nil, false
}

// types lists the ICMP types of the family.
func (t OfICMPTypes) types(f Family) []uint8 {
	if f == IPv4 {
		return t.V4
	}
	return t.V6
}

func ofFamily(list []Protocol, f Family) []Protocol {
	var out []Protocol
	for _, p := range list {
		if p.In(f) {
			out = append(out, p)
		}
	}
	return out
}

// ProtocolsOf lists the protocols that the traffic matches in the family; any is true where all do.
func ProtocolsOf(t Traffic, f Family) (list []Protocol, any bool) { return t.protocols(f) }

// ICMPTypesOf lists the ICMP types that the traffic asks for in the family.
func (t OfICMPTypes) ICMPTypesOf(f Family) []uint8 { return slices.Clone(t.types(f)) }

func (AnyTraffic) text() string { return "" }

func (t OfProtocols) text() string { return joined(t.Protocols) }

func (t OnPorts) text() string {
	out := joined(t.list)
	if !t.Destination.Any() {
		out += " port " + t.Destination.String()
	}
	if !t.Source.Any() {
		out += " source port " + t.Source.String()
	}
	return out
}

func (t OfICMPTypes) text() string {
	var parts []string
	for _, n := range t.V4 {
		parts = append(parts, "icmp/"+ICMPTypeName(ICMP, n))
	}
	for _, n := range t.V6 {
		parts = append(parts, "icmpv6/"+ICMPTypeName(ICMPv6, n))
	}
	return strings.Join(parts, ",")
}

func joined[T fmt.Stringer](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = v.String()
	}
	return strings.Join(parts, ",")
}
