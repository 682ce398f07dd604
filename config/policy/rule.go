package policy

import (
	"fmt"
	"strings"
	"time"
)

// Rule is one rule of a file. A rule that is part of a Policy can match (New saw to that).
type Rule struct {
	Name     Name
	Comment  string
	Action   Verdict
	Scope    Scope
	Traffic  Traffic
	Schedule *Schedule // nil: always
	Until    time.Time // zero: never ends
	Disabled bool
	Log      bool
	Severity Severity
	Origin   Origin

	// The bounds, nil for none: over one of them a packet is blocked, whatever the action. Only openings are held to them.
	Limit          *Limit
	MaxConnections *MaxConnections
	Ban            *BanOver
	// Quiet keeps what is over a bound out of the log, too: firewall.toml says log = false.
	Quiet bool

	// matches holds what Match gives, by direction; New fills it, because Decide asks for it rule by rule.
	matches *[Forward + 1]*Match
}

// Origin is where a rule stands: a file's name and the line of its [[rule]], from 1.
type Origin struct {
	File string
	Line int
}

// Scope is the directions of a rule, with what it may ask in them: one of Inbound, Outbound, Both and Forwarded.
type Scope interface {
	match(d Direction) (Match, bool)
	text() string
}

// Ends is what a rule of this machine's own connections asks of their ends. Empty lists ask for nothing.
type Ends struct {
	Remote, Local Addresses
	Interfaces    []Interface
}

// Inbound is direction = "in".
type Inbound struct{ Ends }

// Outbound is direction = "out"; only there has a packet an owner.
type Outbound struct {
	Ends
	Users, Groups []Account
}

// Both is direction = "both": the rule as Inbound plus the rule as Outbound.
type Both struct{ Ends }

// Forwarded is direction = "forward".
type Forwarded struct {
	From, To                    Addresses
	InInterfaces, OutInterfaces []Interface
}

// Account is a user or a group: a number and, where the file names it, its name.
type Account struct {
	ID   uint32
	Name string
}

// String gives the name, else the number.
func (a Account) String() string {
	if a.Name != "" {
		return a.Name
	}
	return fmt.Sprint(a.ID)
}

// Match is what a rule asks of a packet in one direction, all of it at once.
type Match struct {
	Direction                   Direction
	Source, Destination         Addresses
	InInterfaces, OutInterfaces []Interface
	Users, Groups               []Account
	Traffic                     Traffic
	Schedule                    *Schedule
	Until                       time.Time
}

// Match gives what the rule asks in a direction; ok is false where it has nothing to say there.
func (r *Rule) Match(d Direction) (m *Match, ok bool) {
	if r.matches != nil {
		return r.matches[d], r.matches[d] != nil
	}
	match, ok := r.Scope.match(d)
	match.Direction, match.Traffic, match.Schedule, match.Until = d, r.Traffic, r.Schedule, r.Until
	return &match, ok
}

// settle computes the matches once.
func (r *Rule) settle() {
	r.matches = nil
	var matches [Forward + 1]*Match
	for _, d := range Directions {
		if m, ok := r.Match(d); ok {
			matches[d] = m
		}
	}
	r.matches = &matches
}

// Families lists the families in which the match can be met: those that both ends and the protocol leave.
func (m *Match) Families() []Family {
	var out []Family
	for _, f := range Families {
		list, any := m.Traffic.protocols(f)
		if (any || len(list) > 0) && !m.Source.empty(f) && !m.Destination.empty(f) {
			out = append(out, f)
		}
	}
	return out
}

func (e Ends) in() Match {
	return Match{Source: e.Remote, Destination: e.Local, InInterfaces: e.Interfaces}
}

func (e Ends) out() Match {
	return Match{Source: e.Local, Destination: e.Remote, OutInterfaces: e.Interfaces}
}

func (s Inbound) match(d Direction) (Match, bool) { return s.in(), d == In }

func (s Outbound) match(d Direction) (Match, bool) {
	m := s.out()
	m.Users, m.Groups = s.Users, s.Groups
	return m, d == Out
}

func (s Both) match(d Direction) (Match, bool) {
	if d == Out {
		return s.out(), true
	}
	return s.in(), d == In
}

func (s Forwarded) match(d Direction) (Match, bool) {
	return Match{Source: s.From, Destination: s.To, InInterfaces: s.InInterfaces, OutInterfaces: s.OutInterfaces}, d == Forward
}

func (e Ends) text() string {
	return ends(" remote ", e.Remote) + ends(" local ", e.Local) + words(" on ", e.Interfaces)
}

func (s Inbound) text() string { return "in" + s.Ends.text() }
func (s Outbound) text() string {
	return "out" + s.Ends.text() + words(" user ", s.Users) + words(" group ", s.Groups)
}
func (s Both) text() string { return "both" + s.Ends.text() }
func (s Forwarded) text() string {
	return "forward" + ends(" from ", s.From) + ends(" to ", s.To) + words(" in ", s.InInterfaces) + words(" out ", s.OutInterfaces)
}

func ends(key string, a Addresses) string {
	if a.Any() {
		return ""
	}
	return key + a.String()
}

func words[T fmt.Stringer](key string, list []T) string {
	if len(list) == 0 {
		return ""
	}
	return key + joined(list)
}

// Direction gives the word that firewall.toml uses, "both" included.
func (r *Rule) Direction() string { return strings.Fields(r.Scope.text())[0] }

// Text is the rule in one line that a person reads: "block in tcp port 23 remote @lan".
func (r *Rule) Text() string {
	way, rest, _ := strings.Cut(r.Scope.text(), " ")
	parts := []string{r.Action.String(), way}
	for _, s := range []string{r.Traffic.text(), rest} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if r.Schedule != nil {
		parts = append(parts, "at "+r.Schedule.String())
	}
	if !r.Until.IsZero() {
		parts = append(parts, "until "+r.Until.Format("2006-01-02 15:04:05"))
	}
	return strings.Join(append(parts, r.bounds()...), " ")
}
