package policy

import (
	"fmt"
	"slices"
	"time"
)

// Policy is a rule file's meaning. It comes from New only and does not change.
type Policy struct {
	defaults Defaults
	log      Log
	rules    []*Rule
	byName   map[Name]*Rule
	// panics: see InPanic.
	panics bool
	// bans, detect, spared: see Guarding.
	bans   Bans
	detect Detect
	spared *AddressSet
}

// Defaults says what becomes of a connection that no rule matches.
type Defaults struct {
	Inbound, Outbound Verdict
	// Forward may also say that forwarded traffic is not looked at.
	Forward Forwarding
}

// Forwarding is the default for forwarded connections. The zero value ignores them: no hook at all.
type Forwarding struct{ verdict Verdict }

// ForwardBy hooks forwarded traffic, with a verdict for what no rule matches.
func ForwardBy(v Verdict) Forwarding { return Forwarding{v} }

// Verdict gives the verdict; hooked is false where forwarded traffic is ignored.
func (f Forwarding) Verdict() (v Verdict, hooked bool) { return f.verdict, f.verdict != 0 }

// String gives the word that firewall.toml uses.
func (f Forwarding) String() string {
	if f.verdict == 0 {
		return "ignore"
	}
	return f.verdict.String()
}

// Log says what the kernel hands to the log.
type Log struct {
	// Unmatched logs what falls to a default of block or reject.
	Unmatched bool
	// Allowed writes every allowed new connection.
	Allowed bool
	// Cap bounds the log packets of each rule.
	Cap Rate
	// Group is the nflog group of what is refused; Group+1 carries allowed connections, and Group+2 the DNS answers that names
	// in rules are for.
	Group uint16
}

// Rate is a number of packets per unit of time. The zero value is unlimited.
type Rate struct {
	Packets uint32
	Per     time.Duration
}

// Unlimited tells whether there is no bound.
func (r Rate) Unlimited() bool { return r.Packets == 0 }

// Problem is what New has to say about a rule.
type Problem struct {
	// Rule is the index in the list given to New.
	Rule int
	// Key is the key of firewall.toml at fault, "" for the rule as a whole.
	Key string
	// Fatal problems leave no policy; others are warnings.
	Fatal         bool
	Message, Hint string
}

// New makes a policy. It is nil where a problem is fatal. now decides which rules are past their until.
func New(defaults Defaults, log Log, rules []Rule, now time.Time) (*Policy, []Problem) {
	p := &Policy{defaults: defaults, log: log, byName: map[Name]*Rule{}, bans: Bans{Size: BansAtMost}, spared: sparedByItself}
	var problems []Problem
	for i := range rules {
		r := rules[i]
		r.settle()
		first, taken := p.byName[r.Name]
		if taken {
			problems = append(problems, Problem{Rule: i, Key: "name", Fatal: true,
				Message: fmt.Sprintf("name %q is taken by the rule at %s:%d", r.Name, first.Origin.File, first.Origin.Line),
				Hint:    "names are unique over all files"})
		}
		p.byName[r.Name] = &r
		p.rules = append(p.rules, &r)
		problems = append(problems, p.check(i, &r, now)...)
	}
	if slices.ContainsFunc(problems, func(x Problem) bool { return x.Fatal }) {
		return nil, problems
	}
	return p, append(problems, p.hidden()...)
}

// Defaults gives what becomes of what no rule matches.
func (p *Policy) Defaults() Defaults { return p.defaults }

// Log gives what is logged.
func (p *Policy) Log() Log { return p.log }

// Rules lists the rules in order, disabled ones included.
func (p *Policy) Rules() []*Rule { return slices.Clone(p.rules) }

// Rule finds a rule by name; nil where there is none.
func (p *Policy) Rule(n Name) *Rule { return p.byName[n] }

// Default gives the verdict on a connection of the direction that no rule matches; hooked is false where the kernel is
// not asked at all.
func (p *Policy) Default(d Direction) (v Verdict, hooked bool) {
	switch d {
	case In:
		return p.defaults.Inbound, true
	case Out:
		return p.defaults.Outbound, true
	case Forward:
		return p.defaults.Forward.Verdict()
	}
	panic(fmt.Sprintf("policy: direction %d", uint8(d)))
}

// Edges lists the moments in (after, until] at which a rule begins or ceases to match by the clock, ascending.
func (p *Policy) Edges(after, until time.Time) []time.Time {
	var out []time.Time
	add := func(t time.Time) {
		if t.After(after) && !t.After(until) {
			out = append(out, t)
		}
	}
	for _, r := range p.rules {
		if r.Disabled {
			continue
		}
		if !r.Until.IsZero() {
			add(r.Until)
		}
		if r.Schedule != nil {
			for _, w := range r.Schedule.Windows(after, until) {
				add(w.Start)
				add(w.End)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}

// Named lists the names that rules ask for together, each once, in the order of the rules.
func (p *Policy) Named() []Domains {
	var out []Domains
	seen := map[string]bool{}
	for _, r := range p.rules {
		for _, names := range r.Named() {
			if key := names.String(); !seen[key] {
				seen[key] = true
				out = append(out, names)
			}
		}
	}
	return out
}

// Named lists the names that the rule asks for together; none of a rule that is disabled.
func (r *Rule) Named() (out []Domains) {
	for _, d := range Directions {
		m, ok := r.Match(d)
		if !ok || r.Disabled {
			continue
		}
		for _, names := range []Domains{m.Source.named, m.Source.except, m.Destination.named, m.Destination.except} {
			if !names.None() {
				out = append(out, names)
			}
		}
	}
	return out
}
