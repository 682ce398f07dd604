package daemon

import (
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What Prometheus itself reads of it is what was written.
func TestAnExpositionIsRead(t *testing.T) {
	var x exposition
	counter := x.of("counter")
	odd := "a\"b\\c\nd{}=,"
	first := counter("first_total", "The first.", "rule", "action")
	second := counter("second_total", "The second.")
	first(12, odd, "block")
	second(1.5)
	first(1<<53, "z", "allow")
	counter("third_total", "One of nothing.", "rule")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	got, err := parser.TextToMetricFamilies(strings.NewReader(string(x.text())))
	if err != nil || len(got) != 2 {
		t.Fatalf("%v %v in\n%s", got, err, x.text())
	}
	list := got["pfw_first_total"].Metric
	if len(list) != 2 || list[0].Label[1].GetValue() != "z" || list[1].Label[1].GetValue() != odd || list[1].Label[0].GetValue() != "block" ||
		list[1].Counter.GetValue() != 12 || list[0].Counter.GetValue() != 1<<53 || got["pfw_first_total"].GetHelp() != "The first." {
		t.Errorf("%v", list)
	}
	if got["pfw_second_total"].Metric[0].Counter.GetValue() != 1.5 {
		t.Errorf("%v", got["pfw_second_total"])
	}
}
