package api

import (
	"fmt"
	"net/netip"
	"strings"

	"pfw/config/policy"
)

// fix is the command that would let a packet pass which a rule or a default refuses: with the narrowest rule that allows
// what the packet wants from where it comes. "" where it passes, where what is always in force refuses it, and where the
// packet does not say what it wants. None of its words means anything to a shell.
func fix(d *policy.Decision, f *policy.Flow) string {
	if !d.Verdict.Refuses() || d.Rule == nil && d.By != "default" {
		return ""
	}
	words := []string{"pfw allow", "--" + f.Direction.String(), "--protocol", f.Protocol.String()}
	if f.Protocol.HasPorts() {
		port, ok := f.DestinationPort.Get()
		if !ok {
			// All ports are more than anybody asked for.
			return ""
		}
		words = append(words, "--port", fmt.Sprint(port))
	}
	if t, ok := f.ICMPType.Get(); ok && (f.Protocol == policy.ICMP || f.Protocol == policy.ICMPv6) {
		words = append(words, "--icmp-type", policy.ICMPTypeName(f.Protocol, t))
	}
	end := func(flag string, address policy.Field[netip.Addr]) {
		if a, ok := address.Get(); ok {
			words = append(words, flag, a.String())
		}
	}
	if f.Direction == policy.Forward {
		end("--from", f.Source)
		end("--to", f.Destination)
	} else {
		end("--remote", f.Remote())
	}
	if d.Rule != nil {
		words = append(words, "--before", string(d.Rule.Name))
	}
	return strings.Join(words, " ")
}
