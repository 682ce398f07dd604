package enforce

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
)

// now is when the tests' policies are compiled, unless a test needs the kernel's own clock.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

var standard = policy.Defaults{Inbound: policy.Block, Outbound: policy.Allow}

var logging = policy.Log{Unmatched: true, Group: 100, Cap: policy.Rate{Packets: 50, Per: time.Second}}

func build(t testing.TB, d policy.Defaults, l policy.Log, rules ...policy.Rule) *policy.Policy {
	t.Helper()
	for i := range rules {
		if rules[i].Traffic == nil {
			rules[i].Traffic = policy.AnyTraffic{}
		}
		if rules[i].Severity == 0 {
			rules[i].Severity = policy.Low
		}
	}
	p, problems := policy.New(d, l, rules, now)
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// addresses reads "10.0.0.0/8 !10.1.0.0/16 192.0.2.1-192.0.2.9".
func addresses(t testing.TB, text string) policy.Addresses {
	t.Helper()
	var in, out policy.AddressBuilder
	named := false
	for _, word := range strings.Fields(text) {
		b := &in
		if rest, not := strings.CutPrefix(word, "!"); not {
			b, word = &out, rest
		} else {
			named = true
		}
		if first, last, isRange := strings.Cut(word, "-"); isRange {
			if err := b.Add(netip.MustParseAddr(first), netip.MustParseAddr(last)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !strings.Contains(word, "/") {
			word = netip.PrefixFrom(netip.MustParseAddr(word), netip.MustParseAddr(word).BitLen()).String()
		}
		if err := b.AddPrefix(netip.MustParsePrefix(word)); err != nil {
			t.Fatal(err)
		}
	}
	set := in.Set()
	if !named {
		set = policy.AllAddresses()
	}
	return policy.NewAddresses(set.Without(out.Set()), text)
}

func ports(t testing.TB, list []policy.Protocol, ranges ...policy.PortRange) policy.OnPorts {
	t.Helper()
	on, err := policy.NewOnPorts(list, policy.Ports(ranges...), policy.PortSet{})
	if err != nil {
		t.Fatal(err)
	}
	return on
}

func tcp(t testing.TB, port uint16) policy.OnPorts {
	return ports(t, []policy.Protocol{policy.TCP}, policy.PortRange{First: port, Last: port})
}

func udp(t testing.TB, port uint16) policy.OnPorts {
	return ports(t, []policy.Protocol{policy.UDP}, policy.PortRange{First: port, Last: port})
}

func interfaces(t testing.TB, names ...string) []policy.Interface {
	t.Helper()
	var out []policy.Interface
	for _, n := range names {
		i, err := policy.ParseInterface(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, i)
	}
	return out
}
