package policy

import (
	"slices"
	"strconv"
)

// ICMPTypes maps nft's names of ICMP types (nft describe icmp type) to their numbers in RFC 792 and RFC 950.
var ICMPTypes = map[string]uint8{
	"echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
	"router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
	"timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
	"address-mask-request": 17, "address-mask-reply": 18,
}

// ICMPv6Types maps nft's names of ICMPv6 types (nft describe icmpv6 type) to their numbers in RFC 4443, 4861 and 3810.
var ICMPv6Types = map[string]uint8{
	"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
	"echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
	"mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134,
	"nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
	"ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}

// ICMPTypeName spells a type of ICMP or ICMPv6 as nft does, else as a number.
func ICMPTypeName(p Protocol, t uint8) string {
	names := ICMPTypes
	if p == ICMPv6 {
		names = ICMPv6Types
	}
	best := ""
	for name, number := range names {
		// Two names for one number: the first in the alphabet, so that the answer does not depend on map order.
		if number == t && (best == "" || name < best) {
			best = name
		}
	}
	if best == "" {
		return strconv.Itoa(int(t))
	}
	return best
}

// The types with which conntrack lets a connection begin: icmp_new in net/netfilter/nf_conntrack_proto_icmp.c,
// icmpv6_new in nf_conntrack_proto_icmpv6.c. Echo, timestamp, information and address-mask requests; ICMPv6 echo and
// node information.
var (
	icmpOpens   = []uint8{8, 13, 15, 17}
	icmpv6Opens = []uint8{128, 139}
)

// Neighbour discovery (RFC 4861, types 133-136) and multicast listener discovery (RFC 2710, RFC 3810).
var icmpv6Always = []uint8{130, 131, 132, 133, 134, 135, 136, 143}

// ICMPOpens tells whether a packet of the type opens a connection.
func ICMPOpens(p Protocol, t uint8) bool {
	if p == ICMPv6 {
		return slices.Contains(icmpv6Opens, t)
	}
	return slices.Contains(icmpOpens, t)
}

// ICMPv6AlwaysAllowed lists the types that pass before any rule is asked.
func ICMPv6AlwaysAllowed() []uint8 { return slices.Clone(icmpv6Always) }
