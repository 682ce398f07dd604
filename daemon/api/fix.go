package api

import (
	"fmt"
	"net/netip"

	"pfw/config"
	"pfw/config/policy"
)

// fix is the command that would let a packet pass which a rule or a default refuses: with the narrowest rule that allows
// what the packet wants from where it comes. "" where it passes, where what is always in force refuses it, and where the
// packet does not say what it wants.
func fix(d *policy.Decision, f *policy.Flow) string {
	if !d.Verdict.Refuses() || d.Rule == nil && d.By != "default" {
		return ""
	}
	r := config.Draft{"action": {"allow"}, "direction": {f.Direction.String()}, "protocol": {f.Protocol.String()}}
	if f.Protocol.HasPorts() {
		port, ok := f.DestinationPort.Get()
		if !ok {
			// All ports are more than anybody asked for.
			return ""
		}
		r["port"] = []string{fmt.Sprint(port)}
	}
	if t, ok := f.ICMPType.Get(); ok && (f.Protocol == policy.ICMP || f.Protocol == policy.ICMPv6) {
		r["icmp_type"] = []string{policy.ICMPTypeName(f.Protocol, t)}
	}
	end := func(key string, address policy.Field[netip.Addr]) {
		if a, ok := address.Get(); ok {
			r[key] = []string{a.String()}
		}
	}
	if f.Direction == policy.Forward {
		end("from", f.Source)
		end("to", f.Destination)
	} else {
		end("remote", f.Remote())
	}
	if d.Rule != nil {
		return r.Command("--before", string(d.Rule.Name))
	}
	return r.Command()
}
