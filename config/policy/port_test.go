package policy

import (
	"testing"

	"pgregory.net/rapid"
)

func drawPorts(t *rapid.T, label string) (PortSet, [65536]bool) {
	var model [65536]bool
	var ranges []PortRange
	edge := rapid.OneOf(rapid.Uint16(), rapid.SampledFrom([]uint16{0, 1, 2, 65533, 65534, 65535}))
	for range rapid.IntRange(0, 5).Draw(t, label) {
		r := PortRange{edge.Draw(t, "first"), edge.Draw(t, "last")}
		ranges = append(ranges, r)
		for p := int(min(r.First, r.Last)); p <= int(max(r.First, r.Last)); p++ {
			model[p] = true
		}
	}
	return Ports(ranges...), model
}

func TestPortSetsAreSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ma := drawPorts(t, "a")
		b, mb := drawPorts(t, "b")
		covers := !b.Any()
		for p := range ma {
			if a.Contains(uint16(p)) != (a.Any() || ma[p]) {
				t.Fatalf("%s: port %d", a, p)
			}
			covers = covers && (ma[p] || !mb[p])
		}
		covers = covers || a.Any() || b.Any() && ma == [65536]bool(everyPort())
		if a.Covers(b) != covers {
			t.Fatalf("%s covers %s: %t", a, b, !covers)
		}
		before := -2
		for _, r := range a.Ranges() {
			if r.First > r.Last || int(r.First) <= before+1 {
				t.Fatalf("%s", a)
			}
			before = int(r.Last)
		}
	})
}

func everyPort() (all [65536]bool) {
	for i := range all {
		all[i] = true
	}
	return all
}

func TestPortsAsText(t *testing.T) {
	for want, s := range map[string]PortSet{
		"any": {}, "22": Ports(PortRange{22, 22}), "22,80-90": Ports(PortRange{85, 90}, PortRange{22, 22}, PortRange{80, 84}),
	} {
		if s.String() != want {
			t.Errorf("%s, want %s", s, want)
		}
	}
	if _, err := NewOnPorts([]Protocol{TCP, GRE}, Ports(PortRange{1, 1}), PortSet{}); err == nil {
		t.Error("ports of gre")
	}
}
