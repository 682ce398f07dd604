package policy

import (
	"fmt"
	"strings"
	"time"
)

// Per says what is counted together. The zero value is invalid.
type Per uint8

const (
	_ Per = iota
	// PerRule counts all that the rule matches.
	PerRule
	// PerRemote counts each remote by itself: an IPv4 address, or the /64 of an IPv6 address. Of a forwarded packet that is
	// the source.
	PerRemote
)

// Pers maps the words of firewall.toml.
var Pers = map[string]Per{"rule": PerRule, "remote": PerRemote}

// String gives the word that firewall.toml uses.
func (p Per) String() string {
	switch p {
	case PerRule:
		return "rule"
	case PerRemote:
		return "remote"
	}
	panic(fmt.Sprintf("policy: per %d", uint8(p)))
}

// text stands behind a number of one or all remotes.
func (p Per) text() string {
	if p == PerRemote {
		return " per remote"
	}
	return ""
}

// Limit is how often a rule's action applies to openings: a token bucket of Burst, which Rate fills. What comes faster is
// blocked by the rule.
type Limit struct {
	Rate  Rate
	Burst uint32
	Per   Per
}

// String gives "10/minute burst 5 per remote", without a burst that is the number in the rate.
func (l Limit) String() string {
	burst := ""
	if l.Burst != l.Rate.Packets {
		burst = fmt.Sprintf(" burst %d", l.Burst)
	}
	return l.Rate.String() + burst + l.Per.text()
}

// MaxConnections is how many connections that a rule let pass may be open at a time. More are blocked by the rule.
type MaxConnections struct {
	Count uint32
	Per   Per
}

// String gives "20 connections per remote".
func (m MaxConnections) String() string {
	if m.Count == 1 {
		return "1 connection" + m.Per.text()
	}
	return fmt.Sprintf("%d connections%s", m.Count, m.Per.text())
}

// BanOver bans a remote for a time when it does something more often than Over: a token bucket that is full at first, so that
// of "6/minute" the seventh in quick succession is too many.
type BanOver struct {
	Over Rate
	For  time.Duration
}

// String gives "over 6/minute for 15m".
func (b BanOver) String() string {
	return fmt.Sprintf("over %s for %s", b.Over, durationText(b.For))
}

// durationText leaves out the zeros that Go writes: "15m".
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Units are the units of a rate, as firewall.toml has them.
var Units = map[time.Duration]string{time.Second: "second", time.Minute: "minute", time.Hour: "hour", 24 * time.Hour: "day"}

// String gives the rate as firewall.toml has it: "10/minute", "unlimited".
func (r Rate) String() string {
	if r.Unlimited() {
		return "unlimited"
	}
	unit, ok := Units[r.Per]
	if !ok {
		unit = r.Per.String()
	}
	return fmt.Sprintf("%d/%s", r.Packets, unit)
}

// Bound is one of the bounds that a rule may have. The zero value is none of them.
type Bound uint8

const (
	_ Bound = iota
	// ByLimit is the rule's limit.
	ByLimit
	// ByConnections is the rule's max_connections.
	ByConnections
	// ByBan is the rule's ban: the remote is banned with the packet that is over it.
	ByBan
	// ByFullBan is the same where there is no room for one ban more.
	ByFullBan
)

// String gives a word.
func (b Bound) String() string {
	switch b {
	case ByLimit:
		return "limit"
	case ByConnections:
		return "connections"
	case ByBan:
		return "ban"
	case ByFullBan:
		return "full"
	}
	panic(fmt.Sprintf("policy: bound %d", uint8(b)))
}

// Bounds lists them all.
var Bounds = []Bound{ByLimit, ByConnections, ByBan, ByFullBan}

// Over is what a packet that a rule matches is over, with what of the rule a person is told. The zero value is nothing.
type Over struct {
	Bound Bound
	// Action is what the rule does to packets that are over nothing.
	Action Verdict
	// Rate is that of a limit or a ban, Count that of max_connections, Per of a limit and of max_connections, For of a ban.
	Rate  Rate
	Count uint32
	Per   Per
	For   time.Duration
}

// Over says that a packet is over a bound, which the rule must have.
func (r *Rule) Over(b Bound) Over {
	switch b {
	case ByLimit:
		return Over{Bound: b, Action: r.Action, Rate: r.Limit.Rate, Per: r.Limit.Per}
	case ByConnections:
		return Over{Bound: b, Action: r.Action, Count: r.MaxConnections.Count, Per: r.MaxConnections.Per}
	case ByBan, ByFullBan:
		return Over{Bound: b, Action: r.Action, Rate: r.Ban.Over, For: r.Ban.For}
	}
	panic(fmt.Sprintf("policy: bound %d", uint8(b)))
}

// Reason says what became of a packet that is over a bound: "rule ssh allows tcp port 22 within 10/minute: over limit".
func (o Over) Reason(n Name, subject string) string {
	does := fmt.Sprintf("rule %s %s %s", n, o.Action.Verb(), subject)
	switch o.Bound {
	case ByLimit:
		return fmt.Sprintf("%s within %s%s: over limit", does, o.Rate, o.Per.text())
	case ByConnections:
		return fmt.Sprintf("%s within %s: over limit", does, MaxConnections{o.Count, o.Per})
	case ByBan:
		return fmt.Sprintf("%s and bans over %s: banned for %s", does, o.Rate, durationText(o.For))
	case ByFullBan:
		return fmt.Sprintf("%s and bans over %s: over limit, and no room for a ban", does, o.Rate)
	}
	panic(fmt.Sprintf("policy: bound %d", uint8(o.Bound)))
}

// Bounded tells whether the rule has any bound.
func (r *Rule) Bounded() bool { return r.Limit != nil || r.MaxConnections != nil || r.Ban != nil }

// bounds says in words what bounds the rule, each with what stands before it.
func (r *Rule) bounds() []string {
	var out []string
	if r.Limit != nil {
		out = append(out, "limit "+r.Limit.String())
	}
	if r.MaxConnections != nil {
		out = append(out, "max "+r.MaxConnections.String())
	}
	if r.Ban != nil {
		out = append(out, "ban "+r.Ban.String())
	}
	return out
}

// within says, for a packet that is over nothing, what it is within: " within 10/minute".
func (r *Rule) within() string {
	var parts []string
	if r.Limit != nil {
		parts = append(parts, r.Limit.String())
	}
	if r.MaxConnections != nil {
		parts = append(parts, r.MaxConnections.String())
	}
	out := ""
	if len(parts) > 0 {
		out = " within " + strings.Join(parts, " and ")
	}
	if r.Ban != nil {
		out += ", and bans " + r.Ban.String()
	}
	return out
}

// sameBounds tells whether two rules are bounded alike.
func sameBounds(a, b *Rule) bool {
	return alike(a.Limit, b.Limit) && alike(a.MaxConnections, b.MaxConnections) && alike(a.Ban, b.Ban)
}

func alike[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
