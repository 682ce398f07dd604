package audit

import (
	"net/netip"
	"slices"

	"pfw/config/policy"
)

// Filter says which entries somebody wants to see; the zero value wants all. Of each field that is not empty an entry has to
// have one value, so an entry that lacks the field (a reload has no address) is not wanted.
type Filter struct {
	Rules []string
	// Sources holds addresses of SrcIP; a prefix that is banned is wanted where they overlap. Addresses holds those of either end.
	Sources   []policy.AddressRange
	Dests     []policy.AddressRange
	Addresses []policy.AddressRange
	// Ports holds ports of either end.
	Ports       []policy.PortRange
	SourcePorts []policy.PortRange
	DestPorts   []policy.PortRange
	Directions  []string
	Actions     []string
	Protocols   []policy.Protocol
	Events      []EventType
}

// Match tells whether e is wanted.
func (f *Filter) Match(e *Entry) bool {
	return (len(f.Events) == 0 || slices.Contains(f.Events, e.EventType)) &&
		among(f.Rules, e.PFW.Rule) && among(f.Directions, e.Direction) && among(f.Actions, e.PFW.Action) &&
		f.protocol(e.Proto) &&
		(hasPort(f.Ports, e.SrcPort) || hasPort(f.Ports, e.DestPort)) && hasPort(f.SourcePorts, e.SrcPort) && hasPort(f.DestPorts, e.DestPort) &&
		(overlaps(f.Addresses, e.SrcIP) || overlaps(f.Addresses, prefixOf(e.DestIP))) &&
		overlaps(f.Sources, e.SrcIP) && overlaps(f.Dests, prefixOf(e.DestIP))
}

// Allowed tells whether f asks by name for connections that are allowed.
func (f *Filter) Allowed() bool {
	return slices.Contains(f.Events, Allow) || slices.Contains(f.Actions, policy.Allow.String())
}

func among(wanted []string, word string) bool {
	return len(wanted) == 0 || word != "" && slices.Contains(wanted, word)
}

func (f *Filter) protocol(name string) bool {
	return len(f.Protocols) == 0 || slices.ContainsFunc(f.Protocols, func(p policy.Protocol) bool { return ProtoName(uint8(p)) == name })
}

func hasPort(wanted []policy.PortRange, port Opt[uint16]) bool {
	return len(wanted) == 0 || port.Known && slices.ContainsFunc(wanted, func(r policy.PortRange) bool {
		return r.First <= port.V && port.V <= r.Last
	})
}

// prefixOf is the one address, or the zero prefix where there is none.
func prefixOf(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	return Host(a)
}

func overlaps(wanted []policy.AddressRange, has netip.Prefix) bool {
	if len(wanted) == 0 {
		return true
	}
	if !has.IsValid() {
		return false
	}
	is := policy.RangeOf(has)
	return slices.ContainsFunc(wanted, func(w policy.AddressRange) bool {
		// Less would sort all of IPv4 before IPv6.
		return w.First.BitLen() == is.First.BitLen() && w.First.Compare(is.Last) <= 0 && is.First.Compare(w.Last) <= 0
	})
}
