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
	// Sources holds addresses of SrcIP; a prefix that is banned is wanted where they overlap.
	Sources []policy.AddressRange
	Dests   []policy.AddressRange
	// Ports holds ports of either end.
	Ports      []policy.PortRange
	Directions []string
	Actions    []string
	Protocols  []policy.Protocol
	Events     []EventType
}

// Match tells whether e is wanted.
func (f *Filter) Match(e *Entry) bool {
	return (len(f.Events) == 0 || slices.Contains(f.Events, e.EventType)) &&
		among(f.Rules, e.PFW.Rule) && among(f.Directions, e.Direction) && among(f.Actions, e.PFW.Action) &&
		f.protocol(e.Proto) && f.port(e) &&
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

func (f *Filter) port(e *Entry) bool {
	return len(f.Ports) == 0 || slices.ContainsFunc(f.Ports, func(r policy.PortRange) bool {
		in := func(port Opt[uint16]) bool { return port.Known && r.First <= port.V && port.V <= r.Last }
		return in(e.SrcPort) || in(e.DestPort)
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
