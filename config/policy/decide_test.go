package policy

import (
	"net/netip"
	"testing"
	"time"
)

func set(t *testing.T, prefixes ...string) Addresses {
	t.Helper()
	var b AddressBuilder
	for _, p := range prefixes {
		if err := b.AddPrefix(netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	return NewAddresses(b.Set(), prefixes[0])
}

func tcp(ports ...uint16) OnPorts {
	var ranges []PortRange
	for _, p := range ports {
		ranges = append(ranges, PortRange{p, p})
	}
	t, err := NewOnPorts([]Protocol{TCP}, Ports(ranges...), PortSet{})
	if err != nil {
		panic(err)
	}
	return t
}

func eth(s string) []Interface {
	i, err := ParseInterface(s)
	if err != nil {
		panic(err)
	}
	return []Interface{i}
}

func inTCP(src string, port uint16) Flow {
	return Flow{Direction: In, Family: IPv4, Protocol: TCP, Source: Known(netip.MustParseAddr(src)), Destination: Anything[netip.Addr](),
		SourcePort: Anything[uint16](), DestinationPort: Known(port)}
}

var standard = Defaults{Inbound: Block, Outbound: Allow}

func must(t *testing.T, d Defaults, rules ...Rule) *Policy {
	t.Helper()
	p, problems := New(d, Log{}, rules, time.Now())
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

func TestFirstMatchWins(t *testing.T) {
	p := must(t, standard,
		Rule{Name: "no-host", Action: Reject, Scope: Inbound{Ends{Remote: set(t, "192.168.1.9/32")}}, Traffic: tcp(22)},
		Rule{Name: "ssh", Action: Allow, Scope: Inbound{Ends{Remote: set(t, "192.168.0.0/16")}}, Traffic: tcp(22)},
	)
	for _, c := range []struct {
		from string
		port uint16
		want Verdict
		by   string
	}{
		{"192.168.1.9", 22, Reject, "no-host"},
		{"192.168.1.8", 22, Allow, "ssh"},
		{"192.168.1.8", 23, Block, "default"},
		{"8.8.8.8", 22, Block, "default"},
	} {
		d := p.Decide(inTCP(c.from, c.port))
		if d.Verdict != c.want || d.By != c.by {
			t.Errorf("%s:%d: %s by %s, want %s by %s", c.from, c.port, d.Verdict, d.By, c.want, c.by)
		}
	}
}

func TestWhatIsLeftOutDoesNotMatch(t *testing.T) {
	p := must(t, standard, Rule{Name: "lan-if", Action: Allow, Scope: Inbound{Ends{Interfaces: eth("eth*")}}, Traffic: tcp(22)})
	f := inTCP("8.8.8.8", 22)
	if d := p.Decide(f); d.By != "default" || d.Steps[0].Why != "the packet names no interface, the rule asks for eth*" {
		t.Errorf("without interface: by %s, %q", d.By, d.Steps[0].Why)
	}
	f.InInterface = Known("eth1")
	if d := p.Decide(f); d.By != "lan-if" {
		t.Errorf("on eth1: by %s", d.By)
	}
}

func TestRuleForAnotherDirectionDoesNotMatch(t *testing.T) {
	p := must(t, standard,
		Rule{Name: "off", Action: Allow, Scope: Outbound{}, Traffic: AnyTraffic{}, Disabled: true},
		Rule{Name: "out", Action: Allow, Scope: Outbound{}, Traffic: AnyTraffic{}},
	)
	d := p.Decide(inTCP("8.8.8.8", 22))
	if d.By != "default" || d.Steps[0].Why != "the rule is disabled" || d.Steps[1].Why != "direction is in, the rule is for out" {
		t.Errorf("by %s, steps %+v", d.By, d.Steps)
	}
}

func TestIgnoredForwardingIsNotLookedAt(t *testing.T) {
	f := Flow{Direction: Forward, Family: IPv4, Protocol: ICMP, ICMPType: Known[uint8](0),
		Source: Known(netip.MustParseAddr("192.0.2.1")), Destination: Known(netip.MustParseAddr("198.51.100.1"))}
	if d := must(t, standard).Decide(f); d.Verdict != Allow || d.By != "default" {
		t.Errorf("an echo reply that nobody asked for: %s by %s, want allow by default", d.Verdict, d.By)
	}
	hooked := Defaults{Inbound: Block, Outbound: Allow, Forward: ForwardBy(Allow)}
	if d := must(t, hooked).Decide(f); d.Verdict != Block || d.By != "invalid" {
		t.Errorf("where forwarding is looked at: %s by %s, want block by invalid", d.Verdict, d.By)
	}
}

func TestRefusedWhateverTheInterface(t *testing.T) {
	allow := Rule{Name: "a", Action: Allow, Scope: Inbound{Ends{Interfaces: eth("eth*")}}, Traffic: tcp(22)}
	block := Rule{Name: "b", Action: Block, Scope: Inbound{Ends{Interfaces: eth("eth0")}}, Traffic: tcp(22)}
	blockAll := Rule{Name: "c", Action: Block, Scope: Inbound{Ends{Interfaces: eth("eth*")}}, Traffic: tcp(22)}
	for _, c := range []struct {
		name    string
		rules   []Rule
		refused bool
	}{
		{"an interface might allow it", []Rule{allow}, false},
		{"one blocks, the other eth* allow", []Rule{block, allow}, false},
		{"the block takes all that the later rule would allow", []Rule{blockAll, {Name: "d", Action: Allow, Scope: Inbound{Ends{Interfaces: eth("eth0")}}, Traffic: tcp(22)}}, true},
		{"nothing allows it", nil, true},
	} {
		f := inTCP("8.8.8.8", 22)
		f.InInterface = Unknown[string]()
		if _, got := must(t, standard, c.rules...).Refused(f); got != c.refused {
			t.Errorf("%s: refused %t", c.name, got)
		}
	}
}

func TestScheduleAcrossMidnightAndSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	sat, err := NewSchedule([]time.Weekday{time.Saturday}, 22*60, 6*60)
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{
		"2026-03-28 21:59": false, "2026-03-28 22:00": true, "2026-03-29 03:30": true, "2026-03-29 05:59": true,
		"2026-03-29 06:00": false, "2026-03-29 23:00": false,
	} {
		if got := sat.Active(at(s)); got != want {
			t.Errorf("%s: active %t", s, got)
		}
	}
	w := sat.Windows(at("2026-03-28 12:00"), at("2026-03-29 12:00"))
	if len(w) != 1 || w[0].End.Sub(w[0].Start) != 7*time.Hour {
		t.Errorf("the night that loses an hour: %v", w)
	}
	w = sat.Windows(at("2026-10-24 12:00"), at("2026-10-25 12:00"))
	if len(w) != 1 || w[0].End.Sub(w[0].Start) != 9*time.Hour {
		t.Errorf("the night that gains an hour: %v", w)
	}
	gap, err := NewSchedule([]time.Weekday{time.Sunday}, 2*60+30, 4*60)
	if err != nil {
		t.Fatal(err)
	}
	w = gap.Windows(at("2026-03-29 00:00"), at("2026-03-29 12:00"))
	if len(w) != 1 || !w[0].Start.Equal(at("2026-03-29 03:00")) || !w[0].End.Equal(at("2026-03-29 04:00")) {
		t.Errorf("a window that opens in the hour left out: %v", w)
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []Rule
		fatal bool
		text  string
	}{
		{"icmpv6 with IPv4", []Rule{{Name: "a", Action: Block, Scope: Inbound{Ends{Remote: set(t, "10.0.0.0/8")}}, Traffic: OfProtocols{[]Protocol{ICMPv6}}}}, true,
			"the rule can never match: remote has IPv4 addresses only, and icmpv6 is not spoken over IPv4"},
		{"two families", []Rule{{Name: "a", Action: Block, Scope: Inbound{Ends{Remote: set(t, "10.0.0.0/8"), Local: set(t, "fd00::/8")}}, Traffic: AnyTraffic{}}}, true,
			"the rule can never match: remote has IPv4 addresses only and local has IPv6 addresses only"},
		{"forward ignored", []Rule{{Name: "a", Action: Block, Scope: Forwarded{}, Traffic: AnyTraffic{}}}, true,
			`a forward rule has no effect while [default] forward is "ignore"`},
		{"duplicate", []Rule{{Name: "a", Action: Block, Scope: Inbound{}, Traffic: tcp(22)}, {Name: "b", Action: Block, Scope: Inbound{}, Traffic: tcp(22)}}, false,
			"rule b is a duplicate of rule a"},
		{"hidden", []Rule{{Name: "a", Action: Block, Scope: Both{}, Traffic: AnyTraffic{}}, {Name: "b", Action: Allow, Scope: Inbound{}, Traffic: tcp(22)}}, false,
			"rule b can never match: the earlier rule a takes all that it asks for"},
	} {
		_, problems := New(standard, Log{}, c.rules, time.Now())
		if len(problems) != 1 || problems[0].Fatal != c.fatal || problems[0].Message != c.text {
			t.Errorf("%s: %+v", c.name, problems)
		}
	}
}

func TestOwnAddressLeftOutIsNoMulticast(t *testing.T) {
	noise := Rule{Name: "noise", Action: Block, Scope: Inbound{Ends{Local: set(t, "224.0.0.0/4", "255.255.255.255/32")}}, Traffic: AnyTraffic{}}
	own := Rule{Name: "own", Action: Allow, Scope: Inbound{Ends{Local: set(t, "192.0.2.1/32")}}, Traffic: AnyTraffic{}}
	d := must(t, standard, noise, own).Decide(inTCP("8.8.8.8", 22))
	if d.By != "own" || d.Steps[0].Why != "this machine's own address is not meant, the rule asks for 224.0.0.0/4" {
		t.Errorf("by %s, %q", d.By, d.Steps[0].Why)
	}
}
