package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// dayWords lists the days as a week goes.
var dayWords = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// schedule reads schedule = { days = …, from = …, to = … }; nil where it is not set.
func (r *reader) schedule() *policy.Schedule {
	const form = `write { days = ["mon-fri"], from = "22:00", to = "06:00" }`
	t := r.sub("schedule", "a table", form)
	if t == nil {
		return nil
	}
	s := reader{f: r.f, t: t, place: r.place, rule: r.rule, prefix: "schedule."}
	days := s.days()
	from, fromAt := s.clockTime("from")
	to, toAt := s.clockTime("to")
	s.done()
	switch {
	case fromAt != nil && toAt == nil:
		s.fail("to", t.at, wrong(`add to = "06:00", or leave out both for the whole day`, "from is there without to"))
	case fromAt == nil && toAt != nil:
		s.fail("from", t.at, wrong(`add from = "22:00", or leave out both for the whole day`, "to is there without from"))
	case fromAt == nil && s.value("days") == nil:
		s.fail("", t.at, wrong(form, "the schedule says nothing"))
	case fromAt == nil:
		from, to = 0, 24*60
	}
	if s.failed {
		r.failed = true
		return nil
	}
	out, err := policy.NewSchedule(days, from, to)
	if err != nil {
		s.fail("from", fromAt.at, wrong("", "%s", err))
		r.failed = true
	}
	return out
}

// clockTime reads "22:00"; v is nil where the key is not set.
func (r *reader) clockTime(key string) (c policy.ClockTime, v *value) {
	v = r.value(key)
	if v == nil {
		return 0, nil
	}
	if v.kind != unstable.String {
		r.mistyped(key, v, "a time of day", `write it in quotation marks: "22:00"`)
		return 0, v
	}
	c, w := parseClock(v.text)
	if w == nil && c == 24*60 && key == "from" {
		w = wrong(`the day begins at "00:00"`, `"24:00" ends a day`)
	}
	if w != nil {
		r.fail(key, v.at, w)
	}
	return c, v
}

// parseClock reads "22:00", up to "24:00".
func parseClock(s string) (policy.ClockTime, *fault) {
	h, m, ok := strings.Cut(s, ":")
	if !ok || len(h) != 2 || len(m) != 2 || !digits(h) || !digits(m) {
		return 0, wrong(`write two digits, a colon, two digits: "06:30"`, "%q is no time of day", s)
	}
	// Two digits always are a number.
	hour, _ := strconv.Atoi(h)
	minute, _ := strconv.Atoi(m)
	if minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, wrong("a time of day is 00:00 to 24:00", "%q is no time of day", s)
	}
	return policy.ClockTime(hour*60 + minute), nil
}

// days reads days; all where the key is not set.
func (r *reader) days() []time.Weekday {
	if r.value("days") == nil {
		return []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	}
	var out []time.Weekday
	for _, v := range r.each("days") {
		if v.kind != unstable.String {
			r.mistyped("days", v, "a day", `write "mon", or "mon-fri"`)
			continue
		}
		days, w := parseDays(v.text)
		if w != nil {
			r.fail("days", v.at, w)
		}
		out = append(out, days...)
	}
	return out
}

// parseDays reads "mon", "mon-fri" or, over the weekend, "fri-mon".
func parseDays(s string) ([]time.Weekday, *fault) {
	a, b, isRange := strings.Cut(s, "-")
	first, w := parseDay(a)
	if w != nil || !isRange {
		return []time.Weekday{first}, w
	}
	last, w := parseDay(b)
	if w != nil {
		return nil, w
	}
	out := []time.Weekday{first}
	for d := first; d != last; {
		d = (d + 1) % 7
		out = append(out, d)
	}
	return out, nil
}

func parseDay(s string) (time.Weekday, *fault) {
	for i, word := range dayWords {
		if s == word {
			return time.Weekday((i + 1) % 7), nil
		}
	}
	return 0, unknown(func() string {
		for i, word := range dayWords {
			if strings.EqualFold(s, time.Weekday((i+1)%7).String()) {
				return "did you mean \"" + word + "\"?"
			}
		}
		return suggest(s, dayWords)
	}, "unknown day %q", s)
}

// until reads until; zero where it is not set.
func (r *reader) until() time.Time {
	v := r.value("until")
	if v == nil {
		return time.Time{}
	}
	switch v.kind {
	case unstable.DateTime, unstable.LocalDateTime:
		if v.time.IsZero() {
			r.fail("until", v.at, wrong("write 2030-12-31T23:59:59", "%s is no date and time", printable(v.text)))
		}
		return v.time
	case unstable.LocalDate:
		r.mistyped("until", v, "a date and time", "write "+v.text+"T00:00:00")
	case unstable.String:
		r.mistyped("until", v, "a date and time", "write it without quotation marks: 2030-12-31T23:59:59")
	default:
		r.mistyped("until", v, "a date and time", "write 2030-12-31T23:59:59")
	}
	return time.Time{}
}
