package config

import (
	"math"
	"strconv"
	"strings"
	"time"

	"pfw/config/policy"
)

// units are the units of a rate.
var units = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

var unitWords = []string{"second", "minute", "hour", "day"}

// parseRate reads "50/second" or "unlimited".
func parseRate(s string) (policy.Rate, *fault) {
	switch _, _, slash := strings.Cut(s, "/"); {
	case s == "unlimited":
		return policy.Rate{}, nil
	case !slash && nearest(s, []string{"unlimited"}) != "":
		return policy.Rate{}, wrong(`did you mean "unlimited"?`, "%q is no rate", s)
	}
	return parseLimit(s, `write "50/second", or "unlimited"`)
}

// parseLimit reads "50/second".
func parseLimit(s, hint string) (policy.Rate, *fault) {
	count, unit, ok := strings.Cut(s, "/")
	n, err := strconv.ParseUint(count, 10, 32)
	switch per, known := units[unit]; {
	case !ok || !digits(count):
		return policy.Rate{}, wrong(hint, "%q is no rate", s)
	case err != nil:
		return policy.Rate{}, wrong("", "%s is more than %d", printable(count), uint32(math.MaxUint32))
	case !known:
		return policy.Rate{}, wrong(suggest(unit, unitWords), "unknown unit %q", unit)
	case n == 0:
		return policy.Rate{}, wrong(hint, "a rate of 0 lets nothing through")
	default:
		return policy.Rate{Packets: uint32(n), Per: per}, nil
	}
}

// sizes are the units of a size.
var sizes = map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}

var sizeWords = []string{"KiB", "MiB", "GiB"}

// leastSize keeps rotation from being busy with itself; mostSize keeps products of it within 64 bits.
const leastSize, mostSize = 4 << 10, 1 << 50

// parseSize reads "64MiB" into bytes.
func parseSize(s string) (int64, *fault) {
	number := strings.TrimRight(s, "BKMGTikgmbt ")
	unit := strings.TrimSpace(s[len(number):])
	if !digits(number) {
		return 0, wrong(`write a number and KiB, MiB or GiB, like "64MiB"`, "%q is no size", s)
	}
	factor, ok := sizes[unit]
	if !ok {
		return 0, wrong(suggest(unit, sizeWords), "unknown unit %q of a size", unit)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > mostSize/factor {
		return 0, wrong("", "%s is more than any disk holds", printable(s))
	}
	if n*factor < leastSize {
		return 0, wrong("", "%s is less than 4KiB", printable(s))
	}
	return n * factor, nil
}

// digits tells whether s is a number without sign.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
