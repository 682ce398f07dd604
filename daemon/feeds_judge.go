package daemon

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"pfw/config"
	"pfw/config/policy"
)

const (
	// overdue is how late a list may be before somebody should see to who fetches it.
	overdue   = time.Hour
	timerHint = "systemctl enable --now pfw-lists.timer has them fetched in time"
)

// judge says what is wrong with the lists from the net of a policy.
func (f *feeds) judge(p *force, now time.Time) {
	var never, late complaint
	for _, l := range p.feeds() {
		s := f.state(l)
		switch {
		case l.Feed.Missing:
			never.add(lacking(p.policy, l, s), s.Hint)
		case s.Error != "":
			late.add(fmt.Sprintf("%s: %s", s.age(l), s.Error), s.Hint)
		case now.Sub(s.due(l, now)) > l.Feed.Refresh+overdue:
			late.add(s.age(l)+", as nobody tried", timerHint)
		}
	}
	never.tell(f.d.faults, unfetched, "lists that were never fetched are empty: ", "pfw lists refresh fetches them; "+timerHint)
	late.tell(f.d.faults, unrefreshed, "lists from the net are not refreshed, and stay in force as they are: ", "pfw lists refresh tries it again")
}

// age says since when a list is as it is.
func (s feedState) age(l *config.List) string {
	if s.Good.IsZero() {
		return "@" + l.Name // its time is lost
	}
	return "@" + l.Name + " not since " + s.Good.Local().Format(time.DateTime)
}

// complaint is what is wrong with some lists, and what helps.
type complaint struct {
	what []string
	hint string
}

func (c *complaint) add(what, hint string) {
	c.what, c.hint = append(c.what, what), cmp.Or(c.hint, hint)
}

func (c *complaint) tell(to *faults, k fault, before, remedy string) {
	if len(c.what) == 0 {
		to.clear(k)
		return
	}
	to.set(k, before+strings.Join(c.what, "; "), cmp.Or(c.hint, remedy))
}

// lacking says what a policy does not do as a list is empty.
func lacking(p *policy.Policy, l *config.List, s feedState) string {
	text := "@" + l.Name
	if s.Error != "" {
		text += " (" + s.Error + ")"
	}
	var open, shut []string
	for _, name := range l.Rules {
		switch r := p.Rule(name); {
		case r.Disabled:
		case r.Action == policy.Allow:
			shut = append(shut, string(name))
		default:
			open = append(open, string(name))
		}
	}
	return text + idle(open, "stop", "nobody by it") + idle(shut, "let", "nobody in or out by it")
}

// idle says what some rules do not do.
func idle(rules []string, verb, what string) string {
	const shown = 3
	switch n := len(rules); {
	case n == 0:
		return ""
	case n == 1:
		return fmt.Sprintf(", rule %s %ss %s", rules[0], verb, what)
	case n > shown:
		return fmt.Sprintf(", rules %s and %d more %s %s", strings.Join(rules[:shown], ", "), n-shown, verb, what)
	}
	return fmt.Sprintf(", rules %s %s %s", strings.Join(rules, ", "), verb, what)
}
