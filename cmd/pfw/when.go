package main

import (
	"fmt"
	"time"

	"pfw/daemon/api"
)

// parseWhen reads a moment as api.ParseMoment has it; of the past (not ahead) also today and yesterday, when they began by
// the clock on the wall. flag names where it stands.
func parseWhen(flag, text string, now time.Time, ahead bool) (time.Time, error) {
	forms := `a date, a date and time ("2026-11-21 19:22"), or RFC 3339`
	if !ahead {
		year, month, day := now.Local().Date()
		switch text {
		case "today":
			return time.Date(year, month, day, 0, 0, 0, 0, time.Local), nil
		case "yesterday":
			return time.Date(year, month, day-1, 0, 0, 0, 0, time.Local), nil
		}
		forms = "today, yesterday, " + forms
	}
	t, ok := api.ParseMoment(text, now, ahead)
	if !ok {
		return time.Time{}, &usageError{fmt.Sprintf("%s %s: no moment", flag, text), "write a duration (90s, 15m, 2d), " + forms}
	}
	return t, nil
}

// parseFor reads how long something is to last, which is more than nothing.
func parseFor(flag, text string) (time.Duration, error) {
	d, ok := api.ParseLength(text)
	if !ok || d <= 0 {
		return 0, &usageError{fmt.Sprintf("%s %s: no duration", flag, text), "write 90s, 15m, 2h or 2d"}
	}
	return d, nil
}
