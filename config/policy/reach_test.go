package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func listener(f Family, p Protocol, port uint16, local ...string) Listener {
	var b AddressBuilder
	for _, a := range local {
		if err := b.AddPrefix(netip.MustParsePrefix(a)); err != nil {
			panic(err)
		}
	}
	return Listener{Family: f, Protocol: p, Port: port, Local: b.Set()}
}

func TestFromWhereAListenerIsReached(t *testing.T) {
	standard := Defaults{Inbound: Block, Outbound: Allow}
	open := Defaults{Inbound: Allow, Outbound: Allow}
	in := func(name string, v Verdict, e Ends, traffic Traffic) Rule {
		return Rule{Name: Name(name), Action: v, Scope: Inbound{e}, Traffic: traffic, Severity: Low}
	}
	lan := set(t, "192.168.0.0/16", "fd00::/8")
	for _, c := range []struct {
		name     string
		defaults Defaults
		rules    []Rule
		want     string // extent: openings; refusals
	}{
		{"nothing lets in", standard, nil, "nowhere: ; default"},
		{"the default lets in", open, nil, "anywhere: default; "},
		{"a rule for all", standard, []Rule{in("ssh", Allow, Ends{}, tcp(22))}, "anywhere: ssh; "},
		{"a rule for another port", standard, []Rule{in("web", Allow, Ends{}, tcp(80))}, "nowhere: ; default"},
		{"a rule for some", standard, []Rule{in("ssh", Allow, Ends{Remote: lan}, tcp(22))}, "some: ssh; default"},
		{"a rule for the other family", standard, []Rule{in("ssh", Allow, Ends{Remote: set(t, "fd00::/8")}, tcp(22))}, "nowhere: ; default"},
		{"a rule for another address of this machine", standard, []Rule{in("ssh", Allow, Ends{Local: set(t, "10.0.0.1/32")}, tcp(22))}, "nowhere: ; default"},
		{"a rule for one address of this machine", standard, []Rule{in("ssh", Allow, Ends{Local: set(t, "192.0.2.10/32")}, tcp(22))}, "some: ssh; default"},
		{"a rule for all addresses of this machine", standard, []Rule{in("ssh", Allow, Ends{Local: set(t, "192.0.2.0/24")}, tcp(22))}, "anywhere: ssh; "},
		{"a rule for an interface", standard, []Rule{in("ssh", Allow, Ends{Interfaces: eth("eth0")}, tcp(22))}, "some: ssh; default"},
		{"but some", standard, []Rule{in("bad", Block, Ends{Remote: lan}, AnyTraffic{}), in("ssh", Allow, Ends{}, tcp(22))}, "some: ssh (bad); bad"},
		{"but others", standard, []Rule{in("bad", Block, Ends{Remote: set(t, "10.0.0.0/8")}, AnyTraffic{}), in("ssh", Allow, Ends{Remote: lan}, tcp(22))}, "some: ssh; bad default"},
		{"refused before", standard, []Rule{in("bad", Reject, Ends{Remote: lan}, AnyTraffic{}), in("ssh", Allow, Ends{Remote: set(t, "192.168.1.0/24")}, tcp(22))}, "nowhere: ; bad default"},
		{"refused before by two", standard, []Rule{in("a", Block, Ends{Remote: set(t, "192.168.0.0/24")}, tcp(22)),
			in("b", Block, Ends{Remote: set(t, "192.168.1.0/24")}, tcp(22)), in("ssh", Allow, Ends{Remote: set(t, "192.168.0.0/23")}, tcp(22))}, "nowhere: ; a b default"},
		{"let in by two, by no default", open, []Rule{in("a", Allow, Ends{Remote: set(t, "0.0.0.0/1")}, tcp(22)),
			in("b", Allow, Ends{Remote: set(t, "128.0.0.0/1")}, tcp(22))}, "anywhere: a b; "},
		{"refused on an interface", open, []Rule{in("bad", Block, Ends{Interfaces: eth("eth0")}, tcp(22))}, "some: default (bad); bad"},
		{"disabled", standard, []Rule{func() Rule { r := in("ssh", Allow, Ends{}, tcp(22)); r.Disabled = true; return r }()}, "nowhere: ; default"},
	} {
		p := must(t, c.defaults, c.rules...)
		got := p.Reacher(time.Now()).Of(listener(IPv4, TCP, 22, "192.0.2.10/32", "192.0.2.11/32"))
		if text := got.text(); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// text gives the extent, the openings with what is refused before each, and the refusals.
func (r Reach) text() string {
	names := func(list []Turnout) string {
		var out []string
		for _, x := range list {
			out = append(out, x.By)
		}
		return strings.Join(out, " ")
	}
	var openings []string
	for _, x := range r.Openings {
		openings = append(openings, x.By)
		if len(x.Except) > 0 {
			openings = append(openings, "("+names(x.Except)+")")
		}
	}
	return fmt.Sprintf("%s: %s; %s", r.Extent, strings.Join(openings, " "), names(r.Refusals))
}

func TestWhomARuleIsFor(t *testing.T) {
	source, err := NewOnPorts(nil, Ports(PortRange{22, 22}), Ports(PortRange{1024, 65535}))
	if err != nil {
		t.Fatal(err)
	}
	p := must(t, Defaults{Inbound: Allow, Outbound: Allow},
		Rule{Name: "a", Action: Allow, Scope: Inbound{Ends{Remote: NewAddresses(set(t, "10.0.0.0/8").Set(), "@lan"), Interfaces: eth("eth0"),
			Local: NewAddresses(set(t, "192.0.2.10/32").Set(), "192.0.2.10")}}, Traffic: source, Severity: Low})
	got := p.Reacher(time.Now()).Of(listener(IPv4, TCP, 22, "192.0.2.10/32"))
	for i, want := range []string{"@lan port 1024-65535 on eth0 to 192.0.2.10", "anywhere"} {
		if text := got.Openings[i].Remotes(); text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

func TestDHCPReachesItsClient(t *testing.T) {
	p := must(t, Defaults{Inbound: Block, Outbound: Allow})
	got := p.Reacher(time.Now()).Of(listener(IPv4, UDP, 68, "0.0.0.0/0"))
	if got.Extent != Some || got.Openings[0].By != "dhcp" || got.Openings[0].Remotes() != "anywhere" {
		t.Errorf("%+v", got)
	}
}

func TestInPanicNobodyIsReached(t *testing.T) {
	p := must(t, Defaults{Inbound: Allow, Outbound: Allow}).InPanic()
	if got := p.Reacher(time.Now()).Of(listener(IPv4, UDP, 68, "192.0.2.10/32")).text(); got != "nowhere: ; panic" {
		t.Error(got)
	}
	l := listener(IPv4, TCP, 22, "192.0.2.10/32")
	l.Interface = "lo"
	if got := p.Reacher(time.Now()).Of(l).text(); got != "anywhere: loopback; " {
		t.Error(got)
	}
}

// What Reach says holds for every packet that Decide is asked about.
func TestReachIsWhatDecideSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPolicy(t)
		if rapid.IntRange(0, 9).Draw(t, "panic") == 0 {
			p = p.InPanic()
		}
		r := p.Reacher(worldTime)
		for range 5 {
			f := drawFlow(t)
			f.Direction, f.User, f.Group, f.OutInterface = In, Field[uint32]{}, Field[uint32]{}, Field[string]{}
			f.Protocol = rapid.SampledFrom([]Protocol{TCP, UDP}).Draw(t, "protocol of the listener")
			port, _ := f.DestinationPort.Get()
			l := Listener{Family: f.Family, Protocol: f.Protocol, Port: port}
			if rapid.Bool().Draw(t, "bound to an interface") {
				l.Interface = rapid.SampledFrom(worldInterfaces[1:]).Draw(t, "interface")
			}
			var b AddressBuilder
			local := rapid.SliceOfN(rapid.SampledFrom(worldAddresses[f.Family]), 1, 3).Draw(t, "local")
			for _, s := range local {
				a := netip.MustParseAddr(s)
				if err := b.Add(a, a); err != nil {
					t.Fatal(err)
				}
			}
			l.Local = b.Set()
			got := r.Of(l)
			for _, iface := range worldInterfaces[1:] {
				if l.Interface != "" && iface != l.Interface {
					continue
				}
				for _, source := range worldAddresses[f.Family] {
					for _, port := range worldPorts {
						for _, to := range local {
							f.InInterface, f.SourcePort = Known(iface), Known(port)
							f.Source, f.Destination = Known(netip.MustParseAddr(source)), Known(netip.MustParseAddr(to))
							d := p.Decide(f)
							var list []Turnout
							for _, x := range got.Openings {
								list = append(list, x.Turnout)
							}
							wrong := Nowhere
							if d.Verdict.Refuses() {
								list, wrong = got.Refusals, Anywhere
							}
							if got.Extent == wrong || !slices.ContainsFunc(list, func(x Turnout) bool { return x.By == d.By && x.Rule == d.Rule }) {
								t.Fatalf("reached from %s by %+v, not by %+v; %s by %s of %+v", got.Extent, got.Openings, got.Refusals, d.Verdict, d.By, f)
							}
						}
					}
				}
			}
		}
	})
}

// Standing tells of a connection that is open what Refused does, and else what allows it.
func TestStandingOfWhatIsAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := drawPolicy(t)
		f := drawFlow(t)
		sure := p.Judge(f)
		if got := p.Standing(f); got.Verdict != sure.Verdict || got.By != sure.By {
			t.Fatalf("%+v of what is all known, want %+v", got, sure)
		}
		f.InInterface, f.OutInterface = Unknown[string](), Unknown[string]()
		got := p.Standing(f)
		if why, refused := p.Refused(f); refused != got.Verdict.Refuses() || refused && why.By != got.By {
			t.Fatalf("%+v, but refused %t by %s", got, refused, why.By)
		}
	})
}

func BenchmarkReachWithABigList(b *testing.B) {
	var list AddressBuilder
	for i := range uint32(1_000_000) {
		a := netip.AddrFrom4([4]byte{byte(i >> 15), byte(i >> 7), byte(i << 1), 1})
		if err := list.Add(a, a); err != nil {
			b.Fatal(err)
		}
	}
	rules := []Rule{
		{Name: "bad", Action: Block, Scope: Both{Ends{Remote: NewAddresses(list.Set(), "@bad")}}, Traffic: AnyTraffic{}, Severity: Low},
		{Name: "ssh", Action: Allow, Scope: Inbound{}, Traffic: tcp(22), Severity: Low},
	}
	p, problems := New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, rules, time.Now())
	if p == nil {
		b.Fatal(problems)
	}
	for b.Loop() {
		r := p.Reacher(time.Now())
		for port := range uint16(1000) {
			r.Of(listener(IPv4, TCP, port, "192.0.2.10/32"))
		}
	}
}
