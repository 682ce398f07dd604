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

// checkName refuses an expectation on a rule that no file has. rules are the names of all rules, those in error too.
func (e *expectEntry) checkName(rules []string) bool {
	if e.rule == nil {
		return true
	}
	known := append(deciders(), rules...)
	if slices.Contains(known, e.rule.text) {
		return true
	}
	hint := `name a rule, or "default" where no rule is to match`
	if near := nearest(e.rule.text, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	e.r.fail("rule", e.rule.at, wrong(hint, "unknown rule %q", e.rule.text))
	return false
}

// judge holds the expectation against the policy.
func (e *expectEntry) judge(p *policy.Policy) Expectation {
	d := p.Decide(e.flow)
	f := e.r.f
	out := Expectation{
		Packet: e.packet.text, Want: e.verdict.String(), Got: d.Verdict.String(), Rule: d.By,
		File: f.name, Line: f.line(e.r.t.at),
	}
	switch {
	case d.Verdict != e.verdict:
		out.problem = e.r.problem("verdict", e.r.value("verdict").at, wrong(d.Reason,
			"expectation fails: %q: want %s, got %s by %s", out.Packet, out.Want, out.Got, decider(d)))
	case e.rule != nil && e.rule.text != d.By:
		out.problem = e.r.problem("rule", e.rule.at, wrong(d.Reason,
			"expectation fails: %q: want %s by %s, got %s by %s", out.Packet, out.Want, printable(e.rule.text), out.Got, decider(d)))
	default:
		out.OK = true
	}
	return out
}

// decider names what decided as a sentence does.
func decider(d policy.Decision) string {
	if d.Rule != nil {
		return fmt.Sprintf("rule %q (%s:%d)", d.By, printable(d.Rule.Origin.File), d.Rule.Origin.Line)
	}
	return d.By
}
