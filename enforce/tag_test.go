package enforce

import (
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
)

func TestTagsAreReadBack(t *testing.T) {
	longest := 0
	day := policy.Rate{Packets: 1<<32 - 1, Per: 24 * time.Hour}
	overs := []policy.Over{
		{Bound: policy.ByLimit, Action: policy.Allow, Rate: policy.Rate{Packets: 10, Per: time.Minute}, Per: policy.PerRule},
		{Bound: policy.ByLimit, Action: policy.Reject, Rate: policy.Rate{Packets: 1<<32 - 1, Per: 90 * time.Second}, Per: policy.PerRemote},
		{Bound: policy.ByConnections, Action: policy.Reject, Count: 1<<32 - 1, Per: policy.PerRemote},
		{Bound: policy.ByBan, Action: policy.Reject, Rate: day, For: 365 * 24 * time.Hour},
		{Bound: policy.ByFullBan, Action: policy.Block, Rate: day, For: 364*24*time.Hour + 59*time.Minute + 59*time.Second},
	}
	for _, action := range []policy.Verdict{policy.Allow, policy.Block, policy.Reject} {
		for _, d := range policy.Directions {
			for _, severity := range []policy.Severity{policy.Low, policy.Medium, policy.High} {
				for _, written := range []bool{false, true} {
					for _, name := range []policy.Name{"", "0", "in", "rule", "log", policy.Name(strings.Repeat("x", 48))} {
						want := Tag{Rule: name, Action: action, Direction: d, Severity: severity, Kind: ByRule, Written: written}
						if name == "" {
							want.Kind = ByDefault
						}
						text := want.String()
						longest = max(longest, len(text))
						if got, err := ParseTag(text); got != want || err != nil {
							t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
						}
						for _, over := range overs {
							if want.Over = over; name == "" {
								continue
							}
							text := want.String()
							longest = max(longest, len(text))
							if got, err := ParseTag(text); got != want || err != nil {
								t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
							}
						}
					}
				}
			}
		}
	}
	if longest > maxTag {
		t.Errorf("a tag of %d bytes", longest)
	}
}

func TestWhatIsNoTag(t *testing.T) {
	for _, text := range []string{
		"", "pfw", "[UFW BLOCK] ", "pfw block in high log", "pfw block in high log rule", "pfw block in high log rule default",
		"pfw block in high log default x", "pfw block in high log rule a b", "pfw Block in high log rule a", "pfw block up high log rule a",
		"pfw block in dire log rule a", "pfw block in high maybe rule a", "pfw block in high log rule UPPER", "pfw  block in high log rule a",
		"pfw block in high log rule a allow", "pfw block in high log rule a allow limit 10/minute", "pfw block in high log rule a allow limit 10/minute host",
		"pfw block in high log rule a allow limit 010/minute rule", "pfw block in high log rule a maybe limit 10/minute rule", "pfw block in high log rule a allow limit 10 rule",
		"pfw block in high log rule a allow limit 10/1m0s rule", "pfw block in high log rule a allow ban 10/minute 5", "pfw block in high log rule a allow connections 0 rule",
		"pfw block in high log default allow limit 10/minute rule",
		"pfw block in high log rule " + strings.Repeat("x", 120),
	} {
		if got, err := ParseTag(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzParseTag(f *testing.F) {
	f.Add("pfw block in high log rule no-telnet")
	f.Add("pfw allow forward low live default")
	f.Add("pfw block in low log rule ssh allow ban 6/minute 15m0s")
	f.Add("[UFW BLOCK] ")
	f.Fuzz(func(t *testing.T, text string) {
		tag, err := ParseTag(text)
		if err == nil && tag.String() != text {
			t.Errorf("%q is read as %q", text, tag.String())
		}
	})
}
