package config

import (
	"errors"
	"testing"

	"pfw/config/policy"
)

func TestValuesOfAnyPlace(t *testing.T) {
	for _, c := range []struct {
		kind, text, want, hint string // without a message, want is the value
		wrong                  bool
	}{
		{"addresses", "192.0.2.7", "192.0.2.7-192.0.2.7", "", false},
		{"addresses", "192.0.2.0/24", "192.0.2.0-192.0.2.255", "", false},
		{"addresses", "2001:db8::1-2001:db8::9", "2001:db8::1-2001:db8::9", "", false},
		{"addresses", "192.0.2.7/24", `"192.0.2.7/24" has host bits set`, `write "192.0.2.0/24" for the network, or "192.0.2.7" for the one address`, true},
		{"addresses", "192.0.2.0/33", `"192.0.2.0/33" is no prefix`, "write a number of bits, 0 to 32", true},
		{"addresses", "fe80::1%eth0", `"fe80::1%eth0" has a zone`, "leave the zone out", true},
		{"addresses", "::ffff:192.0.2.7", `"::ffff:192.0.2.7" is an IPv4 address written as IPv6`, `write "192.0.2.7"`, true},
		{"addresses", "", `"" is no address`, addressForms, true},
		{"ports", "22", "22", "", false},
		{"ports", "8000-8100", "8000-8100", "", false},
		{"ports", "ssh", "22", "", false},
		{"ports", "https", "443", "", false},
		{"ports", "shs", `unknown service "shs"`, `did you mean "ssh"?`, true},
		{"ports", "0", "0 is no port", "a port is 1 to 65535", true},
		{"ports", "9-8", `range "9-8" begins above its end`, `did you mean "8-9"?`, true},
		{"protocol", "tcp", "tcp", "", false},
		{"protocol", "58", "icmpv6", "", false},
		{"protocol", "253", "253", "", false},
		{"protocol", "256", "protocol 256 is not between 0 and 255", "", true},
		{"rule", "no-telnet", "no-telnet", "", false},
		{"rule", "default", "default", "", false},
		{"rule", "No Telnet", "name \"No Telnet\": a name is 1 to 48 of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit", "", true},
		{"word", "in", "in", "", false},
		{"word", "ni", `unknown direction "ni"`, `did you mean "in"? valid: "in", "out"`, true},
		{"word", "inbound", `unknown direction "inbound"`, `did you mean "in"? valid: "in", "out"`, true},
		{"word", "", `unknown direction ""`, `valid: "in", "out"`, true},
	} {
		got, err := "", error(nil)
		switch c.kind {
		case "addresses":
			var r policy.AddressRange
			if r, err = ParseAddresses(c.text); err == nil {
				got = r.First.String() + "-" + r.Last.String()
			}
		case "ports":
			var r policy.PortRange
			r, err = ParsePorts(c.text, Disk())
			got = r.String()
		case "protocol":
			var p policy.Protocol
			p, err = ParseProtocol(c.text)
			got = p.String()
		case "rule":
			got, err = ParseRuleName(c.text)
		case "word":
			got, err = ParseWord(c.text, "direction", []string{"in", "out"})
		}
		var wrong *ValueError
		if errors.As(err, &wrong) {
			got = wrong.Message
			if wrong.Hint != c.hint {
				t.Errorf("%s %q: hint %q, want %q", c.kind, c.text, wrong.Hint, c.hint)
			}
		}
		if (err != nil) != c.wrong || got != c.want {
			t.Errorf("%s %q: %q, wrong %v; want %q", c.kind, c.text, got, err != nil, c.want)
		}
	}
}
