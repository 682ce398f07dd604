package daemon

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// exposition is metrics in the text that Prometheus reads
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
type exposition struct{ all []*metricFamily }

// metricFamily is a metric with all of its values, which stand together.
type metricFamily struct {
	name, help, kind string
	values           []string // lines, without the name
}

// families makes metrics of one kind: a name, what it tells, and by which labels. It gives what adds a value with its labels.
type families func(name, help string, labels ...string) func(value float64, labels ...string)

// of gives what makes metrics of a kind.
func (x *exposition) of(kind string) families {
	return func(name, help string, labels ...string) func(float64, ...string) {
		f := &metricFamily{name: "pfw_" + name, help: help, kind: kind}
		x.all = append(x.all, f)
		return func(value float64, values ...string) { f.add(labels, value, values) }
	}
}

var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (f *metricFamily) add(labels []string, value float64, values []string) {
	if len(labels) != len(values) {
		panic(fmt.Sprintf("daemon: metric %s with %d labels of %d", f.name, len(values), len(labels)))
	}
	pairs := make([]string, len(labels))
	for i, label := range labels {
		pairs[i] = label + `="` + escaped.Replace(values[i]) + `"`
	}
	slices.Sort(pairs)
	line := " " + strconv.FormatFloat(value, 'g', -1, 64)
	if len(pairs) > 0 {
		line = "{" + strings.Join(pairs, ",") + "}" + line
	}
	f.values = append(f.values, line)
}

// text leaves out what has no value.
func (x *exposition) text() []byte {
	slices.SortFunc(x.all, func(a, b *metricFamily) int { return strings.Compare(a.name, b.name) })
	var out []byte
	for _, f := range x.all {
		if len(f.values) == 0 {
			continue
		}
		out = fmt.Appendf(out, "# HELP %[1]s %[2]s\n# TYPE %[1]s %[3]s\n", f.name, f.help, f.kind)
		slices.Sort(f.values)
		for _, line := range f.values {
			out = append(append(append(out, f.name...), line...), '\n')
		}
	}
	return out
}
