package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ClockTime is a time of day in minutes after midnight, 0 to 1440.
type ClockTime uint16

// String gives "22:00".
func (c ClockTime) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

// Schedule is a window of local time on days of the week. It comes from NewSchedule only.
type Schedule struct {
	days     [7]bool // by time.Weekday: the day on which a window opens
	from, to ClockTime
}

// NewSchedule makes a schedule of windows that open on the days at from and close at to, on the day after where to is
// not later than from.
func NewSchedule(days []time.Weekday, from, to ClockTime) (*Schedule, error) {
	if from == to {
		return nil, errors.New("from and to are the same time; leave both out for the whole day")
	}
	if from >= 24*60 || to > 24*60 {
		return nil, errors.New("a time of day is 00:00 to 24:00")
	}
	if len(days) == 0 {
		return nil, errors.New("no days")
	}
	s := &Schedule{from: from, to: to}
	for _, d := range days {
		s.days[d] = true
	}
	return s, nil
}

// Window is a time in which a schedule is active: from Start up to, not including, End.
type Window struct{ Start, End time.Time }

// Active tells whether t, read by the clock of its location, is in a window.
func (s *Schedule) Active(t time.Time) bool {
	w, ok := s.next(t)
	return ok && !w.Start.After(t)
}

// Windows lists the windows that end after start and begin before end, in order and disjoint.
func (s *Schedule) Windows(start, end time.Time) []Window {
	var out []Window
	for t := start; ; {
		w, ok := s.next(t)
		if !ok || !w.Start.Before(end) {
			return out
		}
		out = append(out, w)
		t = w.End
	}
}

// next gives the first window that ends after t.
func (s *Schedule) next(t time.Time) (Window, bool) {
	y, m, d := t.Date()
	// A window that opened yesterday may be open; the next one opens within a week. Windows that touch count as one, so
	// that a rule of all days, whole days, has no edge at midnight.
	var found Window
	for ahead := -1; ahead <= 8; ahead++ {
		w, ok := s.window(y, m, d+ahead, t.Location())
		if !ok || !w.End.After(t) {
			continue
		}
		switch {
		case found.Start.IsZero():
			found = w
		case w.Start.After(found.End):
			return found, true
		case w.End.After(found.End):
			found.End = w.End
		}
	}
	return found, !found.Start.IsZero()
}

func (s *Schedule) window(y int, m time.Month, d int, loc *time.Location) (Window, bool) {
	if !s.days[time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Weekday()] {
		return Window{}, false
	}
	closes := d
	if s.to <= s.from {
		closes++
	}
	w := Window{clock(y, m, d, s.from, loc), clock(y, m, closes, s.to, loc)}
	// Both ends in the hour that a change to summer time leaves out: no window on that day.
	return w, w.Start.Before(w.End)
}

// clock gives the first instant at which the wall clock shows the time: the first of two where summer time ends, and
// the instant of the change where the change leaves the time out.
func clock(y int, m time.Month, d int, c ClockTime, loc *time.Location) time.Time {
	wall := time.Date(y, m, d, 0, int(c), 0, 0, time.UTC)
	guess := time.Date(y, m, d, 0, int(c), 0, 0, loc)
	var first time.Time
	for _, near := range []time.Time{guess.Add(-24 * time.Hour), guess.Add(24 * time.Hour)} {
		_, offset := near.Zone()
		t := wall.Add(-time.Duration(offset) * time.Second).In(loc)
		if _, is := t.Zone(); is == offset && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		return first
	}
	start, end := guess.ZoneBounds()
	if !start.IsZero() && guess.Sub(start) < 24*time.Hour {
		return start
	}
	return end
}

// String gives "mon,tue 22:00-06:00".
func (s *Schedule) String() string {
	var days []string
	for i := 1; i <= 7; i++ {
		if d := time.Weekday(i % 7); s.days[d] {
			days = append(days, strings.ToLower(d.String()[:3]))
		}
	}
	text := strings.Join(days, ",")
	if len(days) == 7 {
		text = "daily"
	}
	return fmt.Sprintf("%s %s-%s", text, s.from, s.to)
}

// covers tells whether s is active whenever other is; a nil schedule always is.
func (s *Schedule) covers(other *Schedule) bool { return s == nil || other != nil && *s == *other }
