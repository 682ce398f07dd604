package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// entries reads the rules and expectations of a file, and refuses what else is in it.
func (l *loader) entries(f *file, isRoot bool) {
	top := &reader{f: f, t: f.root}
	if isRoot {
		top.asked = []string{"default", "log", "ban", "detect", "geoip"}
	} else {
		for _, key := range []string{"default", "log", "ban", "detect", "geoip"} {
			if x := f.root.fields[key]; x != nil {
				top.asked = append(top.asked, key)
				f.fault("", "", x.value.at, wrong("a file in firewall.d holds [list.NAME], [[rule]] and [[expect]]", "[%s] belongs in firewall.toml", key))
			}
		}
	}
	top.field("list")
	for _, t := range top.tables("rule") {
		entry, ok := readRule(f, t, l.names, l.lists)
		ok = l.unique(&entry) && ok
		if ok {
			l.rules = append(l.rules, entry)
		}
	}
	for _, t := range top.tables("expect") {
		if e, ok := readExpect(f, t, l.names, l.now); ok {
			l.expects = append(l.expects, e)
		}
	}
	top.unknownTables()
}

// taken is the rule that has a name; ok is false where something is wrong with it.
type taken struct {
	policy.Origin
	ok bool
}

// unique refuses a rule whose name an earlier one has.
func (l *loader) unique(entry *ruleEntry) bool {
	name := entry.Name
	if name == "" {
		return true
	}
	if first, there := l.taken[string(name)]; there {
		where := "another rule has it"
		if first.ok {
			where = fmt.Sprintf("the rule at %s:%d has it", printable(first.File), first.Line)
		}
		entry.r.fail("name", entry.r.value("name").at, wrong("names are unique over all files", "name %q is taken: %s", name, where))
		return false
	}
	l.taken[string(name)] = taken{entry.Origin, !entry.r.failed}
	l.ruleNames = append(l.ruleNames, string(name))
	return true
}

// tables gives the tables of a [[key]].
func (r *reader) tables(key string) []*table {
	v := r.value(key)
	if v == nil {
		return nil
	}
	var out []*table
	switch {
	case v.kind == unstable.ArrayTable || v.kind == unstable.Array:
		for _, item := range v.items {
			if item.table == nil {
				r.mistyped(key, item, "a table", fmt.Sprintf("write [[%s]] on a line of its own", key))
				continue
			}
			out = append(out, item.table)
		}
	case v.table != nil:
		r.fail("", v.at, wrong(fmt.Sprintf("write [[%s]] with two brackets on each side", key), "[%s] with one bracket is one table; there can be many", key))
	default:
		r.mistyped(key, v, "a table", fmt.Sprintf("write [[%s]] on a line of its own", key))
	}
	return out
}

// unknownTables refuses what a rule file does not have at its top.
func (r *reader) unknownTables() {
	r.twice()
	headers := map[string]string{"default": "[default]", "log": "[log]", "ban": "[ban]", "detect": "[detect]", "geoip": "[geoip]", "list": "[list.NAME]", "rule": "[[rule]]", "expect": "[[expect]]"}
	for _, f := range r.t.inOrder() {
		if slices.Contains(r.asked, f.name) {
			continue
		}
		what, at := "key", f.at
		if f.value.table != nil || f.value.kind == unstable.ArrayTable {
			what = "table"
		}
		r.fail(printable(f.name), at, unknown(func() string {
			if near := nearest(strings.TrimSuffix(f.name, "s"), r.asked); near != "" {
				return "did you mean " + headers[near] + "?"
			}
			return "valid: [default], [log], [ban], [detect], [geoip], [list.NAME], [[rule]], [[expect]]"
		}, "unknown %s %q", what, f.name))
	}
}
