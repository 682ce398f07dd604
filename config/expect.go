package config

import (
	"fmt"
	"slices"
	"time"

	"pfw/config/policy"
)

// expectEntry is an [[expect]] that is well-formed.
type expectEntry struct {
	r       *reader
	flow    policy.Flow
	packet  *value
	verdict policy.Verdict
	// rule is the rule that has to decide, nil where any may.
	rule *value
}

// readExpect reads one [[expect]]; ok is false where something is wrong with it.
func readExpect(f *file, t *table, n *names, now time.Time) (e expectEntry, ok bool) {
	r := &reader{f: f, t: t, place: "[[expect]]"}
	e = expectEntry{r: r}
	text, v, ok := r.text("packet", "a packet")
	if ok {
		// No time: an expectation does not flip with the hour. now is the day of a time without a date.
		flow, w := parsePacket(text, n, time.Time{}, now)
		if w != nil {
			r.fail("packet", v.at, w)
		}
		e.flow, e.packet = flow, v
	} else if v == nil {
		r.missing("packet", `add packet = "in tcp 192.0.2.7 -> :22"`)
	}
	verdict, ok := word(r, "verdict", policy.Verdicts, verdictWords)
	if !ok && r.value("verdict") == nil {
		r.missing("verdict", "add verdict = "+alternatives(verdictWords))
	}
	e.verdict = verdict
	if _, v, ok := r.text("rule", "the name of a rule"); ok {
		e.rule = v
	}
	r.done()
	return e, !r.failed
}

// deciders lists what can decide besides rules.
func deciders() []string {
	out := []string{"default"}
	for _, a := range policy.AlwaysInForce {
		out = append(out, a.String())
	}
	return out
}

// checkName refuses an expectation on a rule that no file has. Rules that are in error are there, too.
func (l *loader) checkName(e *expectEntry) bool {
	if e.rule == nil {
		return true
	}
	name := e.rule.text
	if _, there := l.taken[name]; there || slices.Contains(deciders(), name) {
		return true
	}
	e.r.fail("rule", e.rule.at, unknown(func() string {
		if l.guesses.allow(len(l.ruleNames)) {
			if near := nearest(name, append(deciders(), l.ruleNames...)); near != "" {
				return fmt.Sprintf("did you mean %q?", near)
			}
		}
		return `name a rule, or "default" where no rule is to match`
	}, "unknown rule %q", name))
	return false
}

// mostJudged bounds the expectations times the rules that each is held against: about two seconds.
const mostJudged = 40_000_000

// expectations holds all expectations against the policy, which is nil where there is none.
func (l *loader) expectations(p *policy.Policy) []Expectation {
	out := []Expectation{}
	failed, judged := 0, 0
	for i := range l.expects {
		e := &l.expects[i]
		if !l.checkName(e) || p == nil {
			continue
		}
		if judged += l.weight; judged > mostJudged {
			e.r.fail("", e.r.t.at, wrong("leave some out, or name several users or interfaces in fewer rules",
				"there are too many expectations for so many rules: this one and those after it are not judged"))
			return out
		}
		x, why := e.judge(p)
		if why != nil {
			if list := l.unjudged(p, e, x); list != "" {
				e.r.warn("", e.r.t.at, wrong(refreshHint(list), "not judged, as list @%s was never fetched: %q", list, e.packet.text))
				continue
			}
			failed++
			// As with other problems, whoever has a thousand is not helped by more.
			if failed <= most {
				x.problem = why()
			}
		}
		out = append(out, x)
	}
	return out
}

// weigh counts what it takes to hold a packet against a rule.
func weigh(r *policy.Rule) int {
	n := 1
	for _, d := range policy.Directions {
		if m, ok := r.Match(d); ok {
			n += len(m.Users) + len(m.Groups) + len(m.InInterfaces) + len(m.OutInterfaces)
		}
	}
	return n
}

// judge holds the expectation against the policy. Where it fails, why tells what is wrong with it.
func (e *expectEntry) judge(p *policy.Policy) (x Expectation, why func() Problem) {
	d := p.Judge(e.flow)
	f := e.r.f
	x = Expectation{
		Packet: e.packet.text, Want: e.verdict.String(), Got: d.Verdict.String(), Rule: d.By,
		File: f.name, Line: f.line(e.r.t.at),
	}
	key, want := "verdict", x.Want
	switch {
	case d.Verdict != e.verdict:
	case e.rule != nil && e.rule.text != d.By:
		key, want = "rule", x.Want+" by "+printable(e.rule.text)
	default:
		x.OK = true
		return x, nil
	}
	return x, func() Problem {
		return e.r.problem(key, e.r.value(key).at, wrong(d.Reason,
			"expectation fails: %q: want %s, got %s by %s", x.Packet, want, x.Got, decider(d)))
	}
}

// decider names what decided as a sentence does.
func decider(d policy.Decision) string {
	if d.Rule != nil {
		return fmt.Sprintf("rule %q (%s:%d)", d.By, printable(d.Rule.Origin.File), d.Rule.Origin.Line)
	}
	return d.By
}
