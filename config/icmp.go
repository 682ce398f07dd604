package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"pfw/config/policy"
)

// icmpTypes reads icmp_type. usable is false where the rule's protocols are not known, because they are in error.
func (r *reader) icmpTypes(protocols []policy.Protocol, usable bool) policy.Traffic {
	if usable {
		if len(protocols) == 0 {
			r.fail("icmp_type", r.field("icmp_type").at, wrong(`add protocol = "icmp", "icmpv6" or ["icmp", "icmpv6"]`, "icmp_type needs protocol icmp or icmpv6"))
			usable = false
		}
		for _, p := range protocols {
			if p != policy.ICMP && p != policy.ICMPv6 {
				r.fail("icmp_type", r.field("icmp_type").at, wrong(`make it a rule of its own with protocol = ["icmp", "icmpv6"]`, "protocol %s has no icmp types", p))
				usable = false
				break
			}
		}
	}
	if !usable {
		protocols = []policy.Protocol{policy.ICMP, policy.ICMPv6}
	}
	var t policy.OfICMPTypes
	for _, v := range r.each("icmp_type") {
		s, ok := r.scalar("icmp_type", v, "the name or number of an icmp type")
		if !ok {
			continue
		}
		if !usable && digits(s) {
			continue
		}
		v4, v6, w := icmpType(s, protocols)
		if w != nil {
			r.fail("icmp_type", v.at, w)
			continue
		}
		t.V4, t.V6 = join(t.V4, v4), join(t.V6, v6)
	}
	return t
}

func join(list, more []uint8) []uint8 {
	for _, n := range more {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// icmpType gives the numbers that a name or number has in each of the protocols, which are ICMP and ICMPv6 at most.
func icmpType(s string, protocols []policy.Protocol) (v4, v6 []uint8, w *fault) {
	has4, has6 := slices.Contains(protocols, policy.ICMP), slices.Contains(protocols, policy.ICMPv6)
	if digits(s) {
		n, err := strconv.ParseUint(s, 10, 8)
		switch {
		case err != nil:
			return nil, nil, wrong("", "icmp type %s is not between 0 and 255", s)
		case has4 && has6:
			return nil, nil, wrong("write the type's name, or make it two rules", "icmp type %d means one thing in icmp and another in icmpv6", n)
		case has4:
			return []uint8{uint8(n)}, nil, nil
		}
		return nil, []uint8{uint8(n)}, nil
	}
	var known []string
	if has4 {
		known = slices.AppendSeq(known, maps.Keys(policy.ICMPTypes))
		if n, ok := policy.ICMPTypes[s]; ok {
			v4 = []uint8{n}
		}
	}
	if has6 {
		known = slices.AppendSeq(known, maps.Keys(policy.ICMPv6Types))
		if n, ok := policy.ICMPv6Types[s]; ok {
			v6 = []uint8{n}
		}
	}
	if v4 != nil || v6 != nil {
		return v4, v6, nil
	}
	for other, types := range map[string]map[string]uint8{"icmp": policy.ICMPTypes, "icmpv6": policy.ICMPv6Types} {
		if _, ok := types[s]; ok {
			return nil, nil, wrong(fmt.Sprintf("add %q to protocol, or leave the type out", other), "%q is a type of %s, which the rule's protocol leaves out", s, other)
		}
	}
	return nil, nil, unknown(func() string {
		slices.Sort(known)
		return suggest(s, slices.Compact(known))
	}, "unknown icmp type %q", s)
}
