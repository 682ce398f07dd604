package config

import (
	"math"
	"strconv"
	"strings"
	"time"

	"pfw/config/policy"
)

var perWords = []string{"rule", "remote"}

const (
	limitForm       = `write { rate = "10/minute", burst = 5, per = "remote" }`
	connectionsForm = `write { count = 20, per = "remote" }`
	banForm         = `write { over = "6/minute", for = "15m" }`
)

// bounds reads limit, max_connections and ban.
func (r *reader) bounds(to *policy.Rule) {
	if s := r.inner("limit", limitForm); s != nil {
		limit := policy.Limit{Rate: s.rate("rate", limitForm), Per: s.per()}
		limit.Burst = uint32(s.number("burst", 1, math.MaxUint32, int64(limit.Rate.Packets)))
		if v := s.value("burst"); v != nil && !s.failed && refill(limit) > longest {
			s.fail("burst", v.at, wrong("let fewer come at once, or more in the long run", "at %s a burst of %d takes more than a year to come back", limit.Rate, limit.Burst))
		}
		r.close(s)
		to.Limit = &limit
	}
	if s := r.inner("max_connections", connectionsForm); s != nil {
		// The kernel counts them in an int (net/netfilter/nf_conncount.c).
		most := policy.MaxConnections{Count: uint32(s.number("count", 1, math.MaxInt32, 1)), Per: s.per()}
		if s.value("count") == nil {
			s.missing("count", connectionsForm)
		}
		r.close(s)
		to.MaxConnections = &most
	}
	if s := r.inner("ban", banForm); s != nil {
		to.Ban = &policy.BanOver{Over: s.rate("over", banForm), For: s.length("for", banForm)}
		r.close(s)
	}
}

// inner reads a table that is the value of a key, nil where it is not set.
func (r *reader) inner(key, form string) *reader {
	t := r.sub(key, "a table", form)
	if t == nil {
		return nil
	}
	return &reader{f: r.f, t: t, place: r.place, rule: r.rule, prefix: key + "."}
}

// close ends the reading of an inner table.
func (r *reader) close(inner *reader) {
	inner.done()
	r.failed = r.failed || inner.failed
}

// per reads per; the rule where it is not set.
func (r *reader) per() policy.Per {
	if r.value("per") == nil {
		return policy.PerRule
	}
	p, _ := word(r, "per", policy.Pers, perWords)
	return p
}

// fastest is the rate that the kernel still keeps to one in a hundred: it counts whole nanoseconds a packet.
const fastest = 10_000_000

// longest is for how long anything is remembered of a remote.
const longest = 365 * 24 * time.Hour

// rate reads a rate that there must be, form is of the table.
func (r *reader) rate(key, form string) policy.Rate {
	// It stands for what is wrong.
	rate := policy.Rate{Packets: 1, Per: time.Second}
	s, v, ok := r.text(key, `a rate like "10/minute"`)
	switch {
	case v == nil:
		r.missing(key, form)
	case ok && s == "unlimited":
		r.fail(key, v.at, wrong(`write "10/minute", or leave the whole of it out`, "there is nothing to count at a rate without limit"))
	case ok:
		read, w := parseLimit(s, `write "10/minute"`)
		if w == nil && float64(read.Packets)/read.Per.Seconds() > fastest {
			w = wrong("no machine opens so many connections", "%s is more than %d/second", s, fastest)
		}
		if w != nil {
			r.fail(key, v.at, w)
			break
		}
		rate = read
	}
	return rate
}

// refill is how long an empty bucket takes to be full.
func refill(l policy.Limit) time.Duration {
	// In seconds first: the product may have more bits than a duration.
	seconds := l.Rate.Per.Seconds() / float64(l.Rate.Packets) * float64(l.Burst)
	return time.Duration(min(seconds, 2*longest.Seconds()) * float64(time.Second))
}

// length reads how long something lasts, which there must be.
func (r *reader) length(key, form string) time.Duration {
	s, v, ok := r.text(key, `a length of time like "15m"`)
	if v == nil {
		r.missing(key, form)
	}
	if !ok {
		return time.Second
	}
	d, w := parseLength(s)
	if w != nil {
		r.fail(key, v.at, w)
	}
	return d
}

// parseLength reads "90s", "15m", "1h30m" or "2d".
func parseLength(s string) (time.Duration, *fault) {
	d, ok := ParseLength(s)
	switch {
	case !ok:
		return 0, wrong(`write "90s", "15m", "2h" or "2d"`, "%q is no length of time", s)
	case d < time.Second || d%time.Second != 0:
		return 0, wrong(`write "90s", "15m", "2h" or "2d"`, "%s is not one second or several", printable(s))
	case d > longest:
		return 0, wrong("what is to last is a rule of its own", "%s is more than a year", printable(s))
	}
	return d, nil
}

// ParseLength reads what time.ParseDuration does, and days; nothing below zero.
func ParseLength(text string) (d time.Duration, ok bool) {
	const day = 24 * time.Hour
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		return time.Duration(n) * day, err == nil && n < uint64(math.MaxInt64)/uint64(day)
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
