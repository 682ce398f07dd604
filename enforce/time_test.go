package enforce

import (
	"testing"
	"time"

	"pfw/config/policy"
)

// Windows that begin and end about now, by the kernel's own clock.
func TestTheClockIsAskedByTheKernel(t *testing.T) {
	g := newGround(t, TableOptions{})
	started := time.Now().UTC()
	day := func(ahead int) []time.Weekday { return []time.Weekday{started.AddDate(0, 0, ahead).Weekday()} }
	whole := func(ahead int) *policy.Schedule {
		s, err := policy.NewSchedule(day(ahead), 0, 24*60)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rule := func(name string, port uint16, s *policy.Schedule, until time.Time) policy.Rule {
		return policy.Rule{Name: policy.Name(name), Action: policy.Allow, Scope: in(t, ""), Traffic: udp(t, port), Schedule: s, Until: until}
	}
	p, problems := policy.New(standard, policy.Log{Group: 7}, settled(
		// Yesterday as well, so that the test may run over midnight.
		rule("today", 1, schedule(t, append(append(day(-1), day(0)...), day(1)...)), time.Time{}),
		rule("in-three-days", 2, whole(3), time.Time{}),
		rule("until-tomorrow", 3, nil, started.AddDate(0, 0, 1)),
		rule("until-soon", 4, nil, started.Add(3*time.Second)),
		rule("until-9999", 5, nil, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)),
		rule("both", 6, schedule(t, append(append(day(-1), day(0)...), day(1)...)), started.Add(3*time.Second)),
	), started)
	if p == nil {
		t.Fatal(problems)
	}
	if _, err := g.table.Apply(t.Context(), Compile(p, Options{Now: started})); err != nil {
		t.Fatal(err)
	}
	expect := func(port uint16, want string) {
		t.Helper()
		if got := g.decided(to(17, port), want); got != want {
			t.Errorf("port %d: %s decided, want %s", port, got, want)
		}
	}
	expect(1, "rule/today")
	expect(2, "default/in")
	expect(3, "rule/until-tomorrow")
	expect(4, "rule/until-soon")
	expect(5, "rule/until-9999")
	expect(6, "rule/both")
	time.Sleep(time.Until(started.Add(3 * time.Second)))
	other := to(17, 4)
	other.SourcePort = 4999
	if got := g.decided(other, "default/in"); got != "default/in" {
		t.Errorf("after until: %s decided", got)
	}
}

func schedule(t testing.TB, days []time.Weekday) *policy.Schedule {
	t.Helper()
	s, err := policy.NewSchedule(days, 0, 24*60)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func settled(rules ...policy.Rule) []policy.Rule {
	for i := range rules {
		rules[i].Severity = policy.Low
	}
	return rules
}

// What is written out is what the schedule says, also where the clocks change.
func TestWindowsFollowTheClocks(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	nights, err := policy.NewSchedule([]time.Weekday{0, 1, 2, 3, 4, 5, 6}, 22*60, 6*60)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 10, 1, 12, 0, 0, 0, berlin)
	p := build(t, standard, logging, policy.Rule{Name: "nights", Action: policy.Allow, Scope: in(t, ""), Schedule: nights})
	for _, s := range Compile(p, Options{Now: start}).sets {
		if s.kind != &timeKind {
			continue
		}
		if s.count != 365 {
			t.Errorf("%d windows in a year", s.count)
		}
		active := func(at time.Time) bool {
			k := keyOf(secondOf(at).nanoseconds())
			for w := range s.spans {
				if string(w.first[:8]) <= string(k[:8]) && string(k[:8]) <= string(w.last[:8]) {
					return true
				}
			}
			return false
		}
		// Every quarter of an hour, a minute off the edges, over both changes of the clocks.
		for at := start.Add(time.Minute); at.Before(start.AddDate(0, 7, 0)); at = at.Add(15 * time.Minute) {
			if active(at) != nights.Active(at) {
				t.Fatalf("%v: active %t", at, active(at))
			}
		}
		return
	}
	t.Error("no set of times")
}

func TestMomentsThatTheKernelCannotShow(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want second
	}{
		{time.Time{}, 0},
		{time.Unix(-1, 0), 0},
		{time.Unix(0, 0), 0},
		{time.Unix(1, 999_999_999), 1},
		{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), lastSecond},
	} {
		if got := secondOf(c.at); got != c.want {
			t.Errorf("%v: %d, want %d", c.at, got, c.want)
		}
	}
	never, err := policy.NewSchedule([]time.Weekday{1}, 0, 60)
	if err != nil {
		t.Fatal(err)
	}
	p := build(t, standard, logging, policy.Rule{Name: "r", Action: policy.Allow, Scope: in(t, ""), Schedule: never})
	// Before 1970 no window can be written; the rule has no line then.
	if r := Compile(p, Options{}); r.logged[ruleCounter+"r"] {
		t.Error("a schedule without a window matches")
	}
}
