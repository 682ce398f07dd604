package enforce

import (
	"pfw/config/policy"
)

// window is a time in which a schedule is active, both ends inclusive: a nanosecond more than it has, as nft writes whole
// seconds.
type window struct{ first, last second }

// timeMatch is what a schedule comes to: its windows, or that it is never active.
type timeMatch struct {
	set  string
	ever bool
}

// times asks for the clock; ever is false where the match is over.
func (c *compiler) times(m *policy.Match) (out []statement, ever bool) {
	// An end beyond the kernel's clock never comes.
	if until := secondOf(m.Until); !m.Until.IsZero() && until < lastSecond {
		out = append(out, beforeTime{until})
	}
	if m.Schedule == nil {
		return out, true
	}
	w, known := c.windows[m.Schedule]
	if !known {
		w = c.schedule(m.Schedule)
		c.windows[m.Schedule] = w
	}
	return append(out, duringTimes{w.set}), w.ever
}

// schedule writes a schedule out as absolute times, so that it holds when the clocks change: the kernel's own hours and
// days are UTC's.
func (c *compiler) schedule(s *policy.Schedule) timeMatch {
	now := c.options.Now
	var windows []window
	for _, w := range s.Windows(now, now.AddDate(1, 0, 0)) {
		next := window{secondOf(w.Start), secondOf(w.End)}
		if n := len(windows); n > 0 && next.first <= windows[n-1].last {
			windows[n-1].last = next.last
			continue
		}
		if next.first < next.last {
			windows = append(windows, next)
		}
	}
	if len(windows) == 0 {
		return timeMatch{}
	}
	return timeMatch{c.keep(windowSet(windows)), true}
}
