package enforce

import (
	"fmt"
	"testing"

	"pfw/config/policy"
)

// kindRules is a policy of so many rules of one kind: for ports, for addresses, for both at once, or of ports between
// addresses.
func kindRules(t testing.TB, kind string, n int) *policy.Policy {
	t.Helper()
	var rules []policy.Rule
	for i := range n {
		r := policy.Rule{Name: policy.Name(fmt.Sprintf("rule-%d", i)), Action: policy.Block, Scope: in(t, "")}
		if kind != "addresses" && (kind != "mixed" || i%2 == 0) {
			r.Traffic = ports(t, []policy.Protocol{policy.UDP}, policy.PortRange{First: uint16(1000 + i*3), Last: uint16(1001 + i*3)})
		}
		if kind != "ports" && (kind != "mixed" || i%2 == 1) {
			r.Scope = in(t, fmt.Sprintf("10.%d.%d.0/24", i>>8&255, i&255))
		}
		rules = append(rules, r)
	}
	return build(t, standard, policy.Log{Group: 100}, rules...)
}

// What a policy comes to may shrink, and then these numbers are to be made smaller; that it grows must be meant.
func TestTheCompiledSizeDoesNotGrow(t *testing.T) {
	type size struct{ chains, rules, sets, elements int }
	for _, c := range []struct {
		what   string
		policy *policy.Policy
		most   size
	}{
		{"many", manyRules(t, 1000), size{1830, 4943, 49, 6302}},
		{"ports", kindRules(t, "ports", 1000), size{1006, 1040, 8, 1008}},
		{"addresses", kindRules(t, "addresses", 1000), size{1006, 1040, 8, 1008}},
		{"both", kindRules(t, "both", 1000), size{2007, 2041, 8, 1008}},
		{"mixed", kindRules(t, "mixed", 1000), size{1072, 2188, 74, 4788}},
	} {
		r := Compile(c.policy, Options{Now: now})
		got := size{chains: len(r.chains), sets: len(r.sets)}
		for _, ch := range r.chains {
			got.rules += len(ch.rules)
		}
		for _, s := range r.sets {
			got.elements += s.count
		}
		if got.chains > c.most.chains || got.rules > c.most.rules || got.sets > c.most.sets || got.elements > c.most.elements {
			t.Errorf("%s: %+v, which were %+v at most", c.what, got, c.most)
		}
	}
}

// walked counts the rules and elements that the kernel goes over when it makes sure that no chain leads back to itself: before
// 6.19 it goes all ways, and would take for ever where many lead to one place.
func walked(r Ruleset) int {
	chains, sets, known := map[string]*chain{}, map[string]*set{}, map[string]int{}
	for i := range r.sets {
		sets[r.sets[i].name] = &r.sets[i]
	}
	for i := range r.chains {
		chains[r.chains[i].name] = &r.chains[i]
	}
	var walk func(name string) int
	walk = func(name string) int {
		if n, ok := known[name]; ok {
			return n
		}
		n := 0
		for _, line := range chains[name].rules {
			n++
			for _, s := range line.statements {
				switch s := s.(type) {
				case goTo:
					n += walk(s.chain)
				case jumpTo:
					n += walk(s.chain)
				case choose:
					for _, b := range sets[s.table].to {
						n += 1 + walk(b.chain)
					}
				}
			}
		}
		known[name] = n
		return n
	}
	total := 0
	for _, c := range r.chains {
		if c.at != 0 {
			total += walk(c.name)
		}
	}
	return total
}

func TestTheKernelGoesFewWays(t *testing.T) {
	for _, n := range sizes {
		for _, kind := range []string{"many", "mixed", "ports", "addresses", "both"} {
			p := manyRules(t, n)
			if kind != "many" {
				p = kindRules(t, kind, n)
			}
			r := Compile(p, Options{Now: now})
			t.Logf("%d %s: size %d, walked %d", n, kind, size(r), walked(r))
			if walked(r) > 10*size(r) {
				t.Errorf("%d %s: %d are gone over, of %d", n, kind, walked(r), size(r))
			}
		}
	}
}
