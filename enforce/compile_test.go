package enforce

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

func TestTheSamePolicyGivesTheSameRuleset(t *testing.T) {
	p := build(t, standard, logging, verdictRules(t)...)
	first := Compile(p, Options{Now: now}).String()
	for range 20 {
		if again := Compile(p, Options{Now: now}).String(); again != first {
			t.Fatal("another ruleset of the same policy")
		}
	}
}

func TestRulesThatAskForTheSameShareASet(t *testing.T) {
	names := func(rules ...policy.Rule) []string {
		var out []string
		for _, s := range Compile(build(t, standard, logging, rules...), Options{Now: now}).sets {
			if strings.HasPrefix(s.name, "addr") || strings.HasPrefix(s.name, "port") {
				out = append(out, s.name)
			}
		}
		return out
	}
	rule := func(name, remote string, second uint16) policy.Rule {
		return policy.Rule{Name: policy.Name(name), Action: policy.Block, Scope: in(t, remote),
			Traffic: ports(t, []policy.Protocol{policy.TCP}, policy.PortRange{First: 1, Last: 1}, policy.PortRange{First: second, Last: second})}
	}
	a := names(rule("a", "10.0.0.0/8 192.0.2.7", 80))
	if len(a) != 2 {
		t.Fatalf("sets %q, want one of addresses and one of ports", a)
	}
	if both := names(rule("a", "10.0.0.0/8 192.0.2.7", 80), rule("b", "192.0.2.7 10.0.0.0/9 10.128.0.0/9", 80)); !slices.Equal(a, both) {
		t.Errorf("sets %q of two rules that ask for the same, want %q", both, a)
	}
	if other := names(rule("a", "10.0.0.0/8 192.0.2.8", 81)); slices.Contains(other, a[0]) || slices.Contains(other, a[1]) {
		t.Errorf("sets %q of other contents, named as %q", other, a)
	}
}

func TestWhatCannotMatchTakesNoRule(t *testing.T) {
	empty := policy.NewAddresses(new(policy.AddressBuilder).Set(), "@empty")
	p := build(t, standard, logging,
		policy.Rule{Name: "empty", Action: policy.Allow, Scope: policy.Both{Ends: policy.Ends{Remote: empty}}},
		policy.Rule{Name: "off", Action: policy.Allow, Disabled: true, Scope: in(t, "")},
		policy.Rule{Name: "on", Action: policy.Allow, Scope: in(t, "")})
	for _, c := range Compile(p, Options{Now: now}).chains {
		if strings.HasSuffix(c.name, "/empty") || strings.HasSuffix(c.name, "/off") {
			t.Errorf("chain %s", c.name)
		}
	}
}

// Any rate that a file may hold must be one that the kernel takes.
func TestRatesThatTheKernelTakes(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	for _, r := range []policy.Rate{
		{}, {Packets: 1, Per: time.Second}, {Packets: 1<<32 - 1, Per: time.Second}, {Packets: 1<<32 - 1, Per: time.Minute},
		{Packets: 1<<32 - 1, Per: time.Hour}, {Packets: 1<<32 - 1, Per: 24 * time.Hour}, {Packets: 1<<32 - 1, Per: 1},
		{Packets: 7, Per: 10 * time.Second}, {Packets: 1, Per: 1 << 62}, {Packets: 5, Per: -1},
	} {
		l := logging
		l.Cap = r
		ruleset := Compile(build(t, standard, l), Options{Now: now})
		if _, err := table.Apply(t.Context(), ruleset); err != nil {
			t.Errorf("%d per %v: %v", r.Packets, r.Per, err)
		}
		nft(t, hosts.New(t, "script"), ruleset.String())
	}
}

func TestOddTimesAreCountedByTheDay(t *testing.T) {
	for _, c := range []struct {
		rate policy.Rate
		want string
	}{
		{policy.Rate{Packets: 50, Per: time.Second}, "limit rate over 50/second burst 50 packets"},
		{policy.Rate{Packets: 10, Per: time.Minute}, "limit rate over 10/minute burst 10 packets"},
		{policy.Rate{Packets: 10, Per: time.Hour}, "limit rate over 10/hour burst 10 packets"},
		{policy.Rate{Packets: 10, Per: 24 * time.Hour}, "limit rate over 10/day burst 10 packets"},
		{policy.Rate{Packets: 7, Per: 10 * time.Second}, "limit rate over 60480/day burst 7 packets"},
		{policy.Rate{Packets: 1, Per: 100 * 24 * time.Hour}, "limit rate over 1/day burst 1 packets"},
	} {
		if got := newOverRate(c.rate).text(); got != c.want {
			t.Errorf("%d per %v: %s, want %s", c.rate.Packets, c.rate.Per, got, c.want)
		}
	}
}

func TestComments(t *testing.T) {
	for _, c := range []struct{ comment, want string }{
		{"", ""},
		{"telnet", "telnet"},
		{`a "quoted" word`, "a 'quoted' word"},
		{strings.Repeat("x", 200), strings.Repeat("x", 128)},
		{strings.Repeat("x", 127) + "ä", strings.Repeat("x", 127)},
		{strings.Repeat("ä", 100), strings.Repeat("ä", 64)},
	} {
		if got := commentOf(&policy.Rule{Comment: c.comment}); got != c.want {
			t.Errorf("%q gives %q, want %q", c.comment, got, c.want)
		}
	}
}
