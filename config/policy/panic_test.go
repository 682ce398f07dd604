package policy

import (
	"net/netip"
	"testing"
)

func TestPanicBlocksEverythingButLoopback(t *testing.T) {
	open := must(t, Defaults{Inbound: Allow, Outbound: Allow}, Rule{Name: "all", Action: Allow, Scope: Both{}, Traffic: AnyTraffic{}})
	for _, c := range []struct {
		name string
		f    Flow
		want string
	}{
		{"loopback", Flow{Direction: In, Family: IPv4, Protocol: TCP, InInterface: Known("lo")}, "loopback"},
		{"loopback by its address", Flow{Direction: Out, Family: IPv6, Protocol: UDP, Destination: Known(netip.MustParseAddr("::1"))}, "loopback"},
		{"in", Flow{Direction: In, Family: IPv4, Protocol: TCP}, "panic"},
		{"out", Flow{Direction: Out, Family: IPv6, Protocol: UDP}, "panic"},
		{"by an interface that is not known", Flow{Direction: In, Family: IPv4, Protocol: TCP, InInterface: Unknown[string]()}, "panic"},
		{"forwarded, which is not looked at", Flow{Direction: Forward, Family: IPv4, Protocol: TCP}, "panic"},
		{"forwarded from lo", Flow{Direction: Forward, Family: IPv4, Protocol: TCP, InInterface: Known("lo")}, "panic"},
		{"from who is banned", Flow{Direction: In, Family: IPv4, Protocol: TCP, Banned: true}, "panic"},
		{"neighbour discovery", Flow{Direction: In, Family: IPv6, Protocol: ICMPv6, ICMPType: Known[uint8](135)}, "panic"},
		{"dhcp", Flow{Direction: Out, Family: IPv4, Protocol: UDP, SourcePort: Known[uint16](68), DestinationPort: Known[uint16](67)}, "panic"},
	} {
		d := open.InPanic().Decide(c.f)
		if d.By != c.want || d.Verdict.Refuses() != (c.want == "panic") || len(d.Steps) > 0 {
			t.Errorf("%s: %s by %s, want %s", c.name, d.Verdict, d.By, c.want)
		}
		if j := open.InPanic().Judge(c.f); j.By != d.By || j.Verdict != d.Verdict {
			t.Errorf("%s: judged %s by %s", c.name, j.Verdict, j.By)
		}
		if d := open.Decide(c.f); d.By == "panic" {
			t.Errorf("%s: the policy itself is in panic", c.name)
		}
	}
	if open.Panics() || !open.InPanic().Panics() || len(open.InPanic().Rules()) != 1 {
		t.Error("the policy is another than before")
	}
}
