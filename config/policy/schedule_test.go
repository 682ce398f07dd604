package policy

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones below, on whatever machine

	"pgregory.net/rapid"
)

// clockChanges are days near which clocks change: by an hour in the night and at midnight, by half an hour, by a day.
var clockChanges = []struct {
	zone string
	y    int
	m    time.Month
	d    int
}{
	{"Europe/Berlin", 2026, 3, 29}, {"Europe/Berlin", 2026, 10, 25}, {"America/New_York", 2026, 3, 8}, {"America/New_York", 2026, 11, 1},
	{"Australia/Lord_Howe", 2026, 4, 5}, {"Australia/Lord_Howe", 2026, 10, 4}, {"America/Sao_Paulo", 2018, 11, 4}, {"America/Sao_Paulo", 2018, 2, 18},
	{"Asia/Beirut", 2025, 3, 30}, {"Asia/Beirut", 2025, 10, 26}, {"Pacific/Apia", 2011, 12, 30}, {"Asia/Kathmandu", 2026, 5, 1}, {"UTC", 2026, 12, 31},
}

// firstShowing gives the first minute at which the clock shows the time of the day or a later one: slow and plainly
// right.
func firstShowing(y int, m time.Month, d, minute int, loc *time.Location) time.Time {
	wall := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	target := time.Date(y, m, d, 0, minute, 0, 0, time.UTC)
	t := target.Add(-40 * time.Hour).In(loc)
	for wall(t).Before(target) {
		t = t.Add(time.Minute)
	}
	return t
}

func TestScheduleAgainstTheClockOnTheWall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(clockChanges).Draw(t, "change")
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		minutes := rapid.OneOf(rapid.IntRange(0, 1439), rapid.IntRange(0, 200))
		from := minutes.Draw(t, "from")
		to := rapid.OneOf(minutes, rapid.Just(1440)).Filter(func(n int) bool { return n != from }).Draw(t, "to")
		on := rapid.SliceOfN(rapid.Bool(), 7, 7).Draw(t, "days")
		var days []time.Weekday
		for i, set := range on {
			if set {
				days = append(days, time.Weekday(i))
			}
		}
		if len(days) == 0 {
			return
		}
		s, err := NewSchedule(days, ClockTime(from), ClockTime(to))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(c.y, c.m, c.d, 0, rapid.IntRange(-1440, 2*1440).Draw(t, "minute"), 0, 0, loc)
		want := false
		for d := -3; d <= 3; d++ {
			day := time.Date(at.Year(), at.Month(), at.Day()+d, 0, 0, 0, 0, time.UTC)
			if !on[day.Weekday()] {
				continue
			}
			end := to
			if to <= from {
				end += 1440
			}
			opens := firstShowing(day.Year(), day.Month(), day.Day(), from, loc)
			closes := firstShowing(day.Year(), day.Month(), day.Day(), end, loc)
			if !at.Before(opens) && at.Before(closes) {
				want = true
			}
		}
		if got := s.Active(at); got != want {
			t.Fatalf("%s at %s (%s): active %t", s, at, at.UTC(), got)
		}
	})
}

// What is active by Windows is active by Active, and the edges are where it changes.
func TestWindowsAreWhereAScheduleIsActive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(clockChanges).Draw(t, "change")
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from := rapid.IntRange(0, 1439).Draw(t, "from")
		to := rapid.IntRange(0, 1440).Filter(func(n int) bool { return n != from }).Draw(t, "to")
		days := rapid.SliceOfNDistinct(rapid.SampledFrom([]time.Weekday{0, 1, 2, 3, 4, 5, 6}), 1, 7, rapid.ID).Draw(t, "days")
		s, err := NewSchedule(days, ClockTime(from), ClockTime(to))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Date(c.y, c.m, c.d-2, 0, 0, 0, 0, loc)
		end := start.Add(5 * 24 * time.Hour)
		windows := s.Windows(start, end)
		for i, w := range windows {
			if !w.Start.Before(w.End) || !w.End.After(start) || !w.Start.Before(end) || i > 0 && w.Start.Before(windows[i-1].End) {
				t.Fatalf("%s: windows %v", s, windows)
			}
		}
		at := start.Add(time.Duration(rapid.IntRange(0, 5*24*60-1).Draw(t, "minute")) * time.Minute)
		in := false
		for _, w := range windows {
			in = in || !at.Before(w.Start) && at.Before(w.End)
		}
		if s.Active(at) != in {
			t.Fatalf("%s at %s: active %t, windows %v", s, at, !in, windows)
		}
	})
}

func TestLordHowe(t *testing.T) {
	loc, err := time.LoadLocation("Australia/Lord_Howe")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSchedule([]time.Weekday{time.Sunday}, 1*60, 3*60)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m    time.Month
		d    int
		want time.Duration
	}{{10, 4, 90 * time.Minute}, {4, 5, 150 * time.Minute}, {5, 3, 2 * time.Hour}} {
		day := time.Date(2026, c.m, c.d, 0, 0, 0, 0, loc)
		w := s.Windows(day, day.Add(24*time.Hour))
		if len(w) != 1 || w[0].End.Sub(w[0].Start) != c.want {
			t.Errorf("%s: %v, want one of %s", day.Format("2006-01-02"), w, c.want)
		}
	}
}

func TestSchedulesThatAreNone(t *testing.T) {
	sunday := []time.Weekday{time.Sunday}
	for _, c := range []struct {
		days     []time.Weekday
		from, to ClockTime
	}{{sunday, 60, 60}, {nil, 60, 120}, {sunday, 1440, 60}, {sunday, 60, 1441}} {
		if _, err := NewSchedule(c.days, c.from, c.to); err == nil {
			t.Errorf("%v %s-%s is taken", c.days, c.from, c.to)
		}
	}
}

func TestEdges(t *testing.T) {
	utc := func(d, h int) time.Time { return time.Date(2026, 11, d, h, 0, 0, 0, time.UTC) }
	night, err := NewSchedule([]time.Weekday{time.Saturday}, 22*60, 6*60)
	if err != nil {
		t.Fatal(err)
	}
	always, err := NewSchedule([]time.Weekday{0, 1, 2, 3, 4, 5, 6}, 0, 24*60)
	if err != nil {
		t.Fatal(err)
	}
	p := must(t, standard,
		Rule{Name: "a", Action: Block, Scope: Inbound{}, Traffic: tcp(1), Schedule: night},
		Rule{Name: "b", Action: Block, Scope: Inbound{}, Traffic: tcp(2), Schedule: night, Disabled: true},
		Rule{Name: "c", Action: Block, Scope: Inbound{}, Traffic: tcp(3), Until: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)},
		Rule{Name: "d", Action: Block, Scope: Inbound{}, Traffic: tcp(4), Schedule: always},
	)
	got := p.Edges(utc(20, 0), utc(24, 0))
	if len(got) != 2 || !got[0].Equal(utc(21, 22)) || !got[1].Equal(utc(22, 6)) {
		t.Errorf("edges %v", got)
	}
	if got := p.Edges(utc(21, 22), utc(22, 6)); len(got) != 1 || !got[0].Equal(utc(22, 6)) {
		t.Errorf("after is included or until is not: %v", got)
	}
}
