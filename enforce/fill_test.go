package enforce

import (
	"testing"

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
