package config

import (
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// The kernel makes the sets of bans anew in one transaction when their size changes, which has to fit a socket's buffer; less
// than leastBans fill up with nobody's help.
const leastBans, mostBans = 16, 262144

// readBans reads [ban]; t is nil where there is none.
func readBans(f *file, t *table, l *lists) policy.Bans {
	b := policy.Bans{Size: policy.BansAtMost}
	if t == nil {
		return b
	}
	r := reader{f: f, t: t, place: "[ban]"}
	b.Size = uint32(r.number("size", leastBans, mostBans, policy.BansAtMost))
	// Unlike in a rule, an empty list is nobody.
	if v := r.value("never"); v != nil && !(v.kind == unstable.Array && len(v.items) == 0) {
		if a := r.addresses("never", l); !a.Any() {
			b.Never = a.Set()
		}
	}
	r.done()
	return b
}

// readDetect reads [detect]; t is nil where there is none.
func readDetect(f *file, t *table) policy.Detect {
	if t == nil {
		return policy.Detect{}
	}
	r := reader{f: f, t: t, place: "[detect]"}
	d := policy.Detect{
		PortScan: r.detector("port_scan", `{ over = "20/minute", ban = "1h" }`),
		SYNFlood: r.detector("syn_flood", `{ over = "200/second", ban = "10m" }`),
	}
	r.done()
	return d
}

// detector reads one; example is how a person writes it.
func (r *reader) detector(key, example string) policy.Detector {
	hint := "write " + key + " = " + example
	t := r.sub(key, "a table", hint)
	if t == nil {
		return policy.Detector{}
	}
	in := &reader{f: r.f, t: t, place: r.place, prefix: key + "."}
	var d policy.Detector
	if s, v, ok := in.text("over", `a rate like "20/minute"`); ok {
		rate, w := parseRate(s)
		switch {
		case w != nil:
			in.fail("over", v.at, w)
		case rate.Unlimited():
			in.fail("over", v.at, wrong("leave "+key+" out to detect nothing", `nothing is over "unlimited"`))
		}
		d.Over = rate
	} else if v == nil {
		in.missing("over", hint)
	}
	if s, v, ok := in.text("ban", `a length of time like "1h"`); ok && s != "" {
		length, w := parseBanTime(s)
		if w != nil {
			in.fail("ban", v.at, w)
		}
		d.Ban = length
	}
	in.done()
	return d
}

// The shortest ban that makes a difference, and the longest whose milliseconds all kernels hold.
const shortestBan, longestBan = time.Second, 10 * 365 * 24 * time.Hour

// parseBanTime reads for how long somebody is banned.
func parseBanTime(s string) (time.Duration, *fault) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, wrong(`write "90s", "15m" or "48h"`, "%q is no length of time", s)
	case d < shortestBan:
		return 0, wrong("", "%s is less than a second", printable(s))
	case d > longestBan:
		return 0, wrong("", "%s is more than ten years", printable(s))
	}
	return d, nil
}
