package enforce

import (
	"fmt"
	"testing"
	"time"

	"pfw/config/policy"
)

// Ports are two bytes, which do not fill what netlink counts in.
func TestALongListOfPorts(t *testing.T) {
	var list []policy.PortRange
	for i := range uint16(2 * bigList) {
		list = append(list, policy.PortRange{First: 1001 + 2*i, Last: 1001 + 2*i})
	}
	g := newGround(t, TableOptions{})
	g.apply(build(t, allowing, logging, policy.Rule{Name: "many", Action: policy.Block, Scope: in(t, ""), Traffic: ports(t, []policy.Protocol{policy.TCP}, list...)}))
	for port, want := range map[uint16]string{1000: "default/in", 1001: "rule/many", 1002: "default/in", 2049: "rule/many", 3047: "rule/many", 3049: "default/in"} {
		if got := g.decided(to(6, port), want); got != want {
			t.Errorf("port %d: %s decided, want %s", port, got, want)
		}
	}
}

// Whatever the compiler makes of thousands of rules, the kernel takes it.
func TestTenThousandRulesComeIntoForce(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(manyRules(t, 10_000))
	if got := g.decided(to(6, 8), "rule/rule-8"); got != "rule/rule-8" {
		t.Errorf("%s decided, want rule/rule-8", got)
	}
	if got := g.decided(to(6, 20001), "default/in"); got != "default/in" {
		t.Errorf("%s decided, want default/in", got)
	}
}

// Each of them with a limit of its own, too.
func TestTenThousandLimitsComeIntoForce(t *testing.T) {
	g := newGround(t, TableOptions{})
	var rules []policy.Rule
	for i := range 10_000 {
		r := limited(t, 1, 24*time.Hour, 1, policy.PerRemote)
		r.Name, r.Traffic = policy.Name(fmt.Sprintf("r%d", i)), tcp(t, uint16(1+i))
		rules = append(rules, r)
	}
	p := build(t, standard, logging, rules...)
	began := time.Now()
	g.apply(p)
	t.Logf("in force in %s", time.Since(began))
	for _, want := range []string{"rule/r7000", "excess/r7000"} {
		before := g.readings()[want]
		g.decided(to(6, 7001), "rule/r7000")
		for end := time.Now().Add(patience); g.readings()[want] == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s counts nothing", want)
			}
		}
	}
}
