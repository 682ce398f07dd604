package api

import (
	"time"

	"pfw/config"
)

// momentForms are how a moment is written that is no duration, in the order of trying: as people do, in local time; by RFC 3339;
// as entries of the log have it. Each may have a fraction of a second.
var momentForms = []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, "2006-01-02T15:04:05", time.RFC3339, "2006-01-02T15:04:05-0700"}

// ParseMoment reads a moment: a duration before now (ahead: after it), a date, a date and time, or RFC 3339.
func ParseMoment(text string, now time.Time, ahead bool) (t time.Time, ok bool) {
	if d, ok := ParseLength(text); ok {
		if ahead {
			return now.Add(d), true
		}
		return now.Add(-d), true
	}
	for _, form := range momentForms {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// ParseLength reads what time.ParseDuration does, and days; nothing below zero.
func ParseLength(text string) (d time.Duration, ok bool) { return config.ParseLength(text) }
