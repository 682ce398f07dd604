package policy

import (
	"fmt"
	"strings"
	"testing"
)

// Every value of an enumeration has a word that is read back, and the zero value has none.
func TestEnumerations(t *testing.T) {
	panics := func(s fmt.Stringer) (did bool) {
		defer func() { did = recover() != nil }()
		_ = s.String() // called for its panic
		return false
	}
	for _, zero := range []fmt.Stringer{Verdict(0), Direction(0), Severity(0), Family(0), Always(0), Verdict(9), Direction(9), Severity(9), Family(9), Always(99)} {
		if !panics(zero) {
			t.Errorf("%T has a word for a value that is none", zero)
		}
	}
	for word, v := range Verdicts {
		if v.String() != word {
			t.Errorf("%s is %s", word, v)
		}
	}
	for word, v := range Severities {
		if v.String() != word {
			t.Errorf("%s is %s", word, v)
		}
	}
	for word, v := range Protocols {
		if v.String() != word {
			t.Errorf("%s is %s", word, v)
		}
	}
	for _, a := range InForceInPanic {
		if a.String() == "" || !strings.HasPrefix(a.Text(), a.Verdict().String()) {
			t.Errorf("%s: %s, but its text is %q", a, a.Verdict(), a.Text())
		}
	}
	if Protocol(99).String() != "99" || ICMPTypeName(ICMP, 99) != "99" {
		t.Error("a number without a name has one")
	}
	if ICMPTypeName(ICMPv6, 132) != "mld-listener-done" {
		t.Errorf("of two names %s", ICMPTypeName(ICMPv6, 132))
	}
}

func TestNames(t *testing.T) {
	for _, s := range []string{"a", "0", "ssh-from-lan", "a.b_c", strings.Repeat("x", 48)} {
		if n, err := ParseName(s); err != nil || string(n) != s {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "A", "-a", ".a", "ä", "a b", "a\n", strings.Repeat("x", 49), "default", "invalid", "banned", "panic", "established", "loopback"} {
		if _, err := ParseName(s); err == nil {
			t.Errorf("%q is a name", s)
		}
	}
}

func TestInterfaces(t *testing.T) {
	for _, s := range []string{"eth0", "wl*", "eth0.5", "br-abc@x", strings.Repeat("x", 15), strings.Repeat("x", 15) + "*"} {
		if i, err := ParseInterface(s); err != nil || i.String() != s {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "*", "e*h", ".", "..", "a b", "a/b", "a:b", "a\"b", "ä", strings.Repeat("x", 16)} {
		if _, err := ParseInterface(s); err == nil {
			t.Errorf("%q is an interface", s)
		}
	}
	for _, c := range []struct {
		a, b   string
		covers bool
	}{{"eth0", "eth0", true}, {"eth*", "eth0", true}, {"e*", "eth*", true}, {"eth*", "e*", false}, {"eth0", "eth*", false}, {"eth0", "eth1", false}} {
		if got := coversInterfaces(eth(c.a), eth(c.b), new(int)); got != c.covers {
			t.Errorf("%s covers %s: %t", c.a, c.b, got)
		}
	}
}

// For each criterion, what explain says where it is the one that fails.
func TestWhyARuleDoesNotMatch(t *testing.T) {
	f := inTCP("8.8.8.8", 22)
	f.InInterface = Known("eth0")
	out := f
	out.Direction, out.User, out.Group, out.OutInterface = Out, Known[uint32](5), Known[uint32](6), Known("eth0")
	out.Destination = f.Source
	on, err := NewOnPorts(nil, PortSet{}, Ports(PortRange{5, 5}))
	if err != nil {
		t.Fatal(err)
	}
	known := f
	known.SourcePort = Known[uint16](1000)
	for _, c := range []struct {
		f    Flow
		r    Rule
		want string
	}{
		{f, Rule{Scope: Outbound{}, Traffic: AnyTraffic{}}, "direction is in, the rule is for out"},
		{f, Rule{Scope: Inbound{}, Traffic: AnyTraffic{}, Disabled: true}, "the rule is disabled"},
		{f, Rule{Scope: Inbound{}, Traffic: OfProtocols{[]Protocol{UDP, GRE}}}, "protocol is tcp over IPv4, the rule asks for udp,gre"},
		{f, Rule{Scope: Inbound{}, Traffic: tcp(23)}, "port is 22, the rule asks for 23"},
		{known, Rule{Scope: Inbound{}, Traffic: on}, "source port is 1000, the rule asks for 5"},
		{f, Rule{Scope: Inbound{Ends{Remote: set(t, "10.0.0.0/8")}}, Traffic: AnyTraffic{}}, "remote is 8.8.8.8, the rule asks for 10.0.0.0/8"},
		{f, Rule{Scope: Inbound{Ends{Remote: set(t, "fd00::/8")}}, Traffic: AnyTraffic{}}, "the packet is IPv4, remote = fd00::/8 holds no IPv4 address"},
		{out, Rule{Scope: Outbound{Ends: Ends{Remote: set(t, "10.0.0.0/8")}}, Traffic: AnyTraffic{}}, "remote is 8.8.8.8, the rule asks for 10.0.0.0/8"},
		{f, Rule{Scope: Inbound{Ends{Interfaces: eth("wl*")}}, Traffic: AnyTraffic{}}, "interface is eth0, the rule asks for wl*"},
		{out, Rule{Scope: Outbound{Users: []Account{{1000, "alice"}}}, Traffic: AnyTraffic{}}, "user is 5, the rule asks for alice"},
		{out, Rule{Scope: Outbound{Groups: []Account{{ID: 10}}}, Traffic: AnyTraffic{}}, "group is 6, the rule asks for 10"},
		{f, Rule{Scope: Inbound{}, Traffic: AnyTraffic{}, Until: worldTime.AddDate(99, 0, 0)}, "the packet names no time, the rule asks for before 2125-11-21 23:00:00"},
		{Flow{Direction: In, Family: IPv4, Protocol: ICMP, ICMPType: Known[uint8](13)}, Rule{Scope: Inbound{}, Traffic: OfICMPTypes{V4: []uint8{8}}}, "icmp type is timestamp-request, the rule asks for icmp/echo-request"},
		{Flow{Direction: In, Family: IPv6, Protocol: ICMPv6, ICMPType: Known[uint8](128)}, Rule{Scope: Inbound{}, Traffic: OfICMPTypes{V4: []uint8{8}}}, "icmpv6 echo-request is not icmp/echo-request"},
	} {
		c.r.Name, c.r.Action = "a", Allow
		d := must(t, standard, c.r).Decide(c.f)
		if len(d.Steps) != 1 || d.Steps[0].Why != c.want {
			t.Errorf("got %+v\nwant %s", d.Steps, c.want)
		}
	}
}
