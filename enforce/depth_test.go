package enforce

import (
	"testing"
	"time"

	"pfw/config/policy"
)

// The kernel takes so many chains one behind the other, the one at the hook not counted (NFT_JUMP_STACK_SIZE).
const kernelDepth = 15

// Lists lead to deciders, and these to bounds and detectors: all of it must be no deeper than the kernel goes.
func TestWhatLiesBehindListsIsNotTooDeep(t *testing.T) {
	rate := policy.Rate{Packets: 20, Per: time.Minute}
	rules := []policy.Rule{
		{Name: "allowed", Action: policy.Allow, Scope: in(t, "10.0.0.0/8"), Limit: &policy.Limit{Rate: rate, Burst: 20, Per: policy.PerRemote},
			MaxConnections: &policy.MaxConnections{Count: 1, Per: policy.PerRule}, Ban: &policy.BanOver{Over: rate, For: time.Hour}},
		{Name: "rejected", Action: policy.Reject, Scope: in(t, "192.0.2.0/24"), Limit: &policy.Limit{Rate: rate, Burst: 20, Per: policy.PerRemote},
			Ban: &policy.BanOver{Over: rate, For: time.Hour}},
	}
	p := build(t, standard, logging, rules...).Guarding(policy.Bans{Size: policy.BansAtMost},
		policy.Detect{PortScan: policy.Detector{Over: rate, Ban: time.Hour}, SYNFlood: policy.Detector{Over: rate, Ban: time.Hour}})
	r := Compile(p, Options{Now: now})
	for _, x := range rules {
		const listed = 2 // what asks for long lists, one for each end
		behind := depths(r)[deciderChain(policy.In, string(x.Name))]
		if got := mostDepth + listed + 1 + behind; got > kernelDepth {
			t.Errorf("%s: %d chains one behind the other, %d of them behind the decider; the kernel takes %d", x.Name, got, behind, kernelDepth)
		}
	}
}

// depths tells how many chains lie one behind the other, behind each.
func depths(r Ruleset) map[string]int {
	chains, sets, known := map[string]*chain{}, map[string]*set{}, map[string]int{}
	for i := range r.sets {
		sets[r.sets[i].name] = &r.sets[i]
	}
	for i := range r.chains {
		chains[r.chains[i].name] = &r.chains[i]
	}
	var of func(string) int
	of = func(name string) int {
		if d, ok := known[name]; ok {
			return d
		}
		d := 0
		for _, line := range chains[name].rules {
			for _, s := range line.statements {
				switch s := s.(type) {
				case goTo:
					d = max(d, 1+of(s.chain))
				case jumpTo:
					d = max(d, 1+of(s.chain))
				case choose:
					for _, b := range sets[s.table].to {
						d = max(d, 1+of(b.chain))
					}
				}
			}
		}
		known[name] = d
		return d
	}
	for name := range chains {
		of(name)
	}
	return known
}
