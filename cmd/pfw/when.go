package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// whenForms are how a person writes a moment that is no duration, in the order of trying. Without a zone it is local time.
var whenForms = []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05", time.RFC3339Nano}

// parseWhen reads a moment: a duration before now (ahead: after it), a date, a date and time, or RFC 3339. flag names where
// it stands.
func parseWhen(flag, text string, now time.Time, ahead bool) (time.Time, error) {
	if d, ok := duration(text); ok {
		if ahead {
			return now.Add(d), nil
		}
		return now.Add(-d), nil
	}
	for _, form := range whenForms {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &usageError{fmt.Sprintf("%s %s: no moment", flag, text),
		`write a duration (90s, 15m, 2d), a date, a date and time ("2026-11-21 19:22"), or RFC 3339`}
}

// parseFor reads how long something is to last, which is more than nothing.
func parseFor(flag, text string) (time.Duration, error) {
	d, ok := duration(text)
	if !ok || d <= 0 {
		return 0, &usageError{fmt.Sprintf("%s %s: no duration", flag, text), "write 90s, 15m, 2h or 2d"}
	}
	return d, nil
}

// duration reads what time.ParseDuration does, and days.
func duration(text string) (time.Duration, bool) {
	const day = 24 * time.Hour
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		return time.Duration(n) * day, err == nil && n < uint64(1<<63-1)/uint64(day)
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
