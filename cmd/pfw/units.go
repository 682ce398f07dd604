package main

import (
	"fmt"
	"strconv"
	"time"

	"pfw/daemon/api"
)

// count spells a number with a comma at each thousand.
func count[N int | uint64](n N) string {
	digits := strconv.FormatUint(uint64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// things spells how many there are of something.
func things[N int | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// size spells a number of bytes with three digits or so.
func size(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value := float64(n) / 1024
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1000 {
			return fmt.Sprintf("%.1f %s", value, unit)
		}
		value /= 1024
	}
	return fmt.Sprintf("%.1f PiB", value)
}

// moment spells a time by the clock on the wall.
func moment(t api.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// lasting spells a duration in its two largest units.
func lasting(d time.Duration) string {
	minutes := int(d / time.Minute)
	switch {
	case minutes < 60:
		return rough(d)
	case minutes < 24*60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	}
	return fmt.Sprintf("%s %d h", things(minutes/(24*60), "day"), minutes/60%24)
}

// rough spells a duration in its largest unit.
func rough(d time.Duration) string {
	minutes := int(d / time.Minute)
	switch {
	case minutes < 1:
		return "less than a minute"
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 48*60:
		return fmt.Sprintf("%d h", minutes/60)
	}
	return things(minutes/(24*60), "day")
}

// ago spells how long something has been over.
func ago(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return rough(d) + " ago"
}

// due spells in what time something is to be.
func due(d time.Duration) string {
	if d <= 0 {
		return "due"
	}
	return "in " + rough(d)
}
