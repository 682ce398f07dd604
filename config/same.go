package config

import (
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// same tells whether two values say the same, wherever they stand.
func same(a, b *value) bool {
	if a.kind != b.kind || len(a.items) != len(b.items) || (a.table == nil) != (b.table == nil) {
		return false
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	switch {
	case a.table != nil:
		return sameTable(a.table, b.table)
	case a.kind == unstable.ArrayTable || a.kind == unstable.Array:
		return true
	}
	return a.text == b.text
}

// sameTable tells whether two tables say the same, but for the keys that are left out of the comparison.
func sameTable(a, b *table, but ...string) bool {
	return within(a, b, but) && within(b, a, but)
}

func within(a, b *table, but []string) bool {
	for name, f := range a.fields {
		if slices.Contains(but, name) {
			continue
		}
		if g := b.fields[name]; g == nil || !same(f.value, g.value) {
			return false
		}
	}
	return true
}

// sameRules tells whether two files have the same rules in the same order. The rule called but may differ or be missing, and
// stand anywhere.
func sameRules(a, b *file, but string) bool {
	others := func(f *file) []*table {
		var out []*table
		for _, v := range f.rules() {
			if v.table.name() != but {
				out = append(out, v.table)
			}
		}
		return out
	}
	x, y := others(a), others(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !sameTable(x[i], y[i]) {
			return false
		}
	}
	return true
}
