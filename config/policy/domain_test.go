package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDomain(t *testing.T) {
	for text, want := range map[string]string{
		"example.com": "example.com", "WWW.Example.COM.": "www.example.com", "*.example.com": "*.example.com", "printer": "printer",
		"_dmarc.xn--bcher-kva.example": "_dmarc.xn--bcher-kva.example", "*.com": "*.com", strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a",
	} {
		if d, err := ParseDomain(text); err != nil || d.String() != want {
			t.Errorf("%s: %v %v", text, d, err)
		}
	}
	for _, text := range []string{"", ".", "*", "*.", "a..b", ".a", "a b", "bücher.example", "a.*.b", "**.a", "192.0.2.1", "a.1", "a/b", "a:b", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"} {
		if d, err := ParseDomain(text); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

// names are what names have in tests, and what they had.
type testNames struct{ now, once map[string][]string }

func (n testNames) Named(d Domain, a netip.Addr) (now, once bool) {
	for _, s := range n.now[d.String()] {
		now = now || s == a.String()
	}
	for _, s := range n.once[d.String()] {
		once = once || s == a.String()
	}
	return now, now || once
}

func domains(list ...string) Domains {
	var out []Domain
	for _, s := range list {
		d, err := ParseDomain(s)
		if err != nil {
			panic(err)
		}
		out = append(out, d)
	}
	return NewDomains(out...)
}

var nobody = new(AddressSet)

func namedRule(name Name, action Verdict, remote Addresses) Rule {
	return Rule{Name: name, Action: action, Severity: Low, Traffic: AnyTraffic{}, Scope: Outbound{Ends: Ends{Remote: remote}}}
}

func namedPolicy(t *testing.T, outbound Verdict, rules ...Rule) *Policy {
	t.Helper()
	p, problems := New(Defaults{Inbound: Block, Outbound: outbound}, Log{Group: 100}, rules, time.Now())
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

func outTo(address string, names Naming) Flow {
	return Flow{Direction: Out, Family: IPv4, Protocol: TCP, Source: Known(netip.MustParseAddr("192.0.2.10")), Destination: Known(netip.MustParseAddr(address)),
		SourcePort: Known(uint16(40000)), DestinationPort: Known(uint16(443)), OutInterface: Known("eth0"), Names: names}
}

// What is open to an address that a name had is neither held against a rule that allows the name nor for one that blocks it.
func TestConnectionsToAddressesThatNamesHad(t *testing.T) {
	names := testNames{map[string][]string{"a.example": {"192.0.2.1"}}, map[string][]string{"a.example": {"192.0.2.2"}}}
	allow := namedPolicy(t, Block, namedRule("a", Allow, NewAddresses(nobody, "domain:a.example").Or(domains("a.example"), nil)))
	block := namedPolicy(t, Allow, namedRule("a", Block, NewAddresses(nobody, "domain:a.example").Or(domains("a.example"), nil)))
	others := namedPolicy(t, Allow, namedRule("a", Block, NewAddresses(AllAddresses(), "!domain:a.example").Except(domains("a.example"))))
	for _, c := range []struct {
		what    string
		p       *Policy
		address string
		open    bool
		want    string
	}{
		{"allowed", allow, "192.0.2.1", false, "allow by a"},
		{"allowed before, new", allow, "192.0.2.2", false, "block by default"},
		{"allowed before, open", allow, "192.0.2.2", true, "allow by a"},
		{"never allowed, open", allow, "192.0.2.3", true, "block by default"},
		{"blocked", block, "192.0.2.1", true, "block by a"},
		{"blocked before, open", block, "192.0.2.2", true, "allow by default"},
		{"all but the name", others, "192.0.2.1", true, "allow by default"},
		{"all but the name, which had it", others, "192.0.2.2", true, "allow by default"},
		{"all but the name, which had it, new", others, "192.0.2.2", false, "block by a"},
		{"all but the name, which never had it", others, "192.0.2.3", true, "block by a"},
	} {
		f := outTo(c.address, names)
		f.UnderWay = c.open
		d := c.p.Standing(f)
		if got := d.Verdict.String() + " by " + d.By; got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestDecideSaysWhichName(t *testing.T) {
	names := testNames{now: map[string][]string{"*.b.example": {"192.0.2.1"}, "c.example": {"192.0.2.2"}}}
	p := namedPolicy(t, Allow,
		namedRule("x", Block, NewAddresses(AllAddresses(), "!domain:c.example").Except(domains("c.example"))))
	if d := p.Decide(outTo("192.0.2.2", names)); !strings.Contains(d.Steps[0].Why, "that is an address of c.example") {
		t.Errorf("%+v", d.Steps)
	}
	p = namedPolicy(t, Allow, namedRule("x", Block, NewAddresses(nobody, "domain:a.example,domain:*.b.example").Or(domains("a.example", "*.b.example"), nil)))
	if d := p.Decide(outTo("192.0.2.1", names)); d.By != "x" || !strings.Contains(d.Steps[0].Why, "192.0.2.1 is an address of *.b.example") {
		t.Errorf("%+v", d)
	}
	if d := p.Decide(outTo("192.0.2.1", nil)); d.By != "default" || !strings.Contains(d.Steps[0].Why, "not known here") {
		t.Errorf("%+v", d)
	}
}

// Whatever addresses names have, a rule that is said to be hidden never decides, and one that is said to spare nothing of
// another does not.
func TestHiddenWhateverAddressesNamesHave(t *testing.T) {
	names := []string{"a.example", "*.example", "b.test"}
	addresses := []string{"192.0.2.1", "192.0.2.2", "10.0.0.1"}
	draw := func(t *rapid.T, label string) Addresses {
		a := drawAddresses(t, label)
		list, not := some(t, label+" named", names, 2), some(t, label+" excepted", names, 1)
		if a.Any() && len(list)+len(not) == 0 {
			return a
		}
		if a.Any() {
			a = NewAddresses(AllAddresses(), label)
			if len(list) > 0 {
				a = NewAddresses(nobody, label)
			}
		}
		if len(list) > 0 {
			var minus *AddressSet
			if rapid.Bool().Draw(t, "minus") {
				var b AddressBuilder
				if err := b.AddPrefix(netip.MustParsePrefix("10.0.0.0/8")); err != nil {
					t.Fatal(err)
				}
				minus = b.Set()
				a = NewAddresses(a.Set().Without(minus), label)
			}
			a = a.Or(domains(list...), minus)
		}
		return a.Except(domains(not...))
	}
	rapid.Check(t, func(t *rapid.T) {
		rules := []Rule{namedRule("first", Block, draw(t, "first")), namedRule("second", Allow, draw(t, "second"))}
		p, _ := New(Defaults{Inbound: Block, Outbound: Reject}, Log{Group: 100}, rules, time.Now())
		if p == nil {
			return
		}
		hider, _ := p.Hider("second")
		known := testNames{now: map[string][]string{}}
		for _, n := range names {
			known.now[n] = some(t, n, addresses, 3)
		}
		// What a name has, those have that stand for it.
		known.now["*.example"] = append(known.now["*.example"], known.now["a.example"]...)
		for _, a := range addresses {
			if d := p.Judge(outTo(a, known)); d.By == "second" && hider != nil {
				t.Fatalf("%s by %s, which %s is said to hide", a, d.By, hider.Name)
			}
		}
	})
}
