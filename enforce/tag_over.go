package enforce

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pfw/config/policy"
)

// tagOver is how many words say what a packet is over: the rule's action, the bound, its number, and per what or for how long.
const tagOver = 4

func overWords(o policy.Over) []string {
	words := []string{o.Action.String(), o.Bound.String()}
	switch o.Bound {
	case policy.ByLimit:
		return append(words, o.Rate.String(), o.Per.String())
	case policy.ByConnections:
		return append(words, fmt.Sprint(o.Count), o.Per.String())
	case policy.ByBan, policy.ByFullBan:
		return append(words, o.Rate.String(), o.For.String())
	}
	panic(fmt.Sprintf("enforce: bound %d", uint8(o.Bound)))
}

// parseOver reads what overWords gives.
func parseOver(words []string) (policy.Over, error) {
	o := policy.Over{Action: policy.Verdicts[words[0]]}
	for _, b := range policy.Bounds {
		if b.String() == words[1] {
			o.Bound = b
		}
	}
	var ok, last bool
	switch o.Bound {
	case policy.ByLimit:
		o.Rate, ok = parseRateWord(words[2])
		o.Per, last = policy.Pers[words[3]]
	case policy.ByConnections:
		o.Count, ok = parseCount(words[2])
		o.Per, last = policy.Pers[words[3]]
	case policy.ByBan, policy.ByFullBan:
		o.Rate, ok = parseRateWord(words[2])
		d, err := time.ParseDuration(words[3])
		o.For, last = d, err == nil && d > 0
	}
	// What is written in another way than pfw does is not its own.
	if o.Action == 0 || !ok || !last || strings.Join(overWords(o), " ") != strings.Join(words, " ") {
		return policy.Over{}, fmt.Errorf("unknown bound %q", words)
	}
	return o, nil
}

func parseRateWord(s string) (policy.Rate, bool) {
	number, unit, _ := strings.Cut(s, "/")
	n, ok := parseCount(number)
	for per, word := range policy.Units {
		if word == unit {
			return policy.Rate{Packets: n, Per: per}, ok
		}
	}
	per, err := time.ParseDuration(unit)
	return policy.Rate{Packets: n, Per: per}, ok && err == nil && per > 0
}

func parseCount(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0
}
