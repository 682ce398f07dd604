package policy

import (
	"testing"

	"pgregory.net/rapid"
)

// Two rules that match one packet overlap.
func TestOverlapIsSeenWhereAPacketMeetsBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPolicy(t)
		f := drawFlow(t)
		var met []*Rule
		for _, r := range p.rules {
			if m, ok := r.Match(f.Direction); ok {
				if a, _ := m.meets(&f); a == yes {
					met = append(met, r)
				}
			}
		}
		for _, a := range met {
			for _, b := range met {
				if !meet(a, b) {
					t.Fatalf("%s and %s both match %+v", a.Text(), b.Text(), f)
				}
			}
		}
	})
}

func TestRuleThatSparesAPart(t *testing.T) {
	rule := func(name string, action Verdict, traffic Traffic, ends Ends) Rule {
		return Rule{Name: Name(name), Action: action, Scope: Inbound{ends}, Traffic: traffic, Severity: Low}
	}
	ports := func(protocol Protocol, first, last uint16) Traffic {
		t, err := NewOnPorts([]Protocol{protocol}, Ports(PortRange{first, last}), PortSet{})
		if err != nil {
			panic(err)
		}
		return t
	}
	on := func(names ...string) (out []Interface) {
		for _, n := range names {
			out = append(out, eth(n)...)
		}
		return out
	}
	v4, v6 := set(t, "10.0.0.0/8"), set(t, "fd00::/8")
	for _, c := range []struct {
		what           string
		earlier, later Rule
		spares         bool
	}{
		{"all of it", rule("a", Allow, ports(TCP, 22, 22), Ends{}), rule("b", Block, AnyTraffic{}, Ends{Remote: v4}), true},
		{"it refuses, too", rule("a", Reject, ports(TCP, 22, 22), Ends{}), rule("b", Block, AnyTraffic{}, Ends{Remote: v4}), false},
		{"the later allows", rule("a", Allow, ports(TCP, 22, 22), Ends{}), rule("b", Allow, AnyTraffic{}, Ends{Remote: v4}), false},
		{"ports", rule("a", Allow, ports(TCP, 22, 30), Ends{}), rule("b", Block, ports(TCP, 30, 40), Ends{}), true},
		{"other ports", rule("a", Allow, ports(TCP, 22, 29), Ends{}), rule("b", Block, ports(TCP, 30, 40), Ends{}), false},
		{"another protocol", rule("a", Allow, ports(UDP, 22, 22), Ends{}), rule("b", Block, ports(TCP, 22, 22), Ends{}), false},
		{"other addresses", rule("a", Allow, AnyTraffic{}, Ends{Remote: v4}), rule("b", Block, AnyTraffic{}, Ends{Remote: v6}), false},
		{"ICMP of another family", rule("a", Allow, OfICMPTypes{V4: []uint8{8}}, Ends{}), rule("b", Block, AnyTraffic{}, Ends{Remote: v6}), false},
		{"interfaces", rule("a", Allow, AnyTraffic{}, Ends{Interfaces: on("eth*")}), rule("b", Block, AnyTraffic{}, Ends{Interfaces: on("e*")}), true},
		{"other interfaces", rule("a", Allow, AnyTraffic{}, Ends{Interfaces: on("eth*")}), rule("b", Block, AnyTraffic{}, Ends{Interfaces: on("wlan0", "x")}), false},
	} {
		p, _ := New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, []Rule{c.earlier, c.later}, worldTime)
		if by := p.Spares("b"); (by != nil) != c.spares || by != nil && by.Name != "a" {
			t.Errorf("%s: %v", c.what, by)
		}
	}
}
