package config

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// direction is the value of a rule's key, which has one word more than a packet has directions. The zero value is not
// known.
type direction uint8

const (
	_ direction = iota
	directionIn
	directionOut
	directionBoth
	directionForward
)

var (
	directions     = map[string]direction{"in": directionIn, "out": directionOut, "both": directionBoth, "forward": directionForward}
	directionWords = []string{"in", "out", "both", "forward"}
	severityWords  = []string{"low", "medium", "high"}
)

// ruleEntry is a rule and the table that it was read from.
type ruleEntry struct {
	policy.Rule
	r *reader
}

// readRule reads one [[rule]]; ok is false where something is wrong with it.
func readRule(f *file, t *table, n *names, l *lists) (entry ruleEntry, ok bool) {
	r := &reader{f: f, t: t, place: "[[rule]]"}
	rule := policy.Rule{Origin: policy.Origin{File: f.name, Line: f.line(t.at)}}

	if s, v, ok := r.text("name", "a name"); ok {
		r.rule = s
		name, err := policy.ParseName(s)
		if err != nil {
			hint := ""
			if lower := strings.ToLower(strings.ReplaceAll(s, " ", "-")); lower != s {
				if _, err := policy.ParseName(lower); err == nil {
					hint = `for example "` + lower + `"`
				}
			}
			r.fail("name", v.at, wrong(hint, "%s", strings.TrimPrefix(err.Error(), "name ")))
		}
		rule.Name = name
	} else if v == nil {
		r.missing("name", `add name = "…", by which logs and commands call the rule`)
	}
	action, ok := word(r, "action", policy.Verdicts, verdictWords)
	if ok {
		rule.Action = action
	} else if r.value("action") == nil {
		r.missing("action", "add action = "+alternatives(verdictWords))
	}
	way, ok := word(r, "direction", directions, directionWords)
	if !ok && r.value("direction") == nil {
		r.missing("direction", "add direction = "+alternatives(directionWords))
	}
	rule.Disabled = !r.flag("enabled", true)
	if s, v, ok := r.text("comment", "text"); ok {
		if strings.ContainsFunc(s, unicode.IsControl) {
			r.fail("comment", v.at, wrong("write it on one line, without tabs", "the comment has control characters"))
		}
		rule.Comment = s
	}
	rule.Traffic = r.traffic(n)
	rule.Scope = r.scope(way, n, l)
	rule.Schedule = r.schedule()
	rule.Until = r.until()
	r.bounds(&rule)
	rule.Log = r.flag("log", rule.Action.Refuses())
	rule.Quiet = r.value("log") != nil && !rule.Log
	rule.Severity = policy.Low
	if s, ok := word(r, "severity", policy.Severities, severityWords); ok {
		rule.Severity = s
	}
	r.done()
	return ruleEntry{rule, r}, !r.failed
}

func alternatives(words []string) string {
	return oneOf(words[:len(words)-1]) + ` or "` + words[len(words)-1] + `"`
}

// scope reads the ends, the interfaces and the owner, which depend on the direction. It reads all of them, so that all
// that is wrong with them is found.
func (r *reader) scope(way direction, n *names, l *lists) policy.Scope {
	remote, local := r.addresses("remote", l), r.addresses("local", l)
	from, to := r.addresses("from", l), r.addresses("to", l)
	interfaces, in, out := r.interfaces("interface"), r.interfaces("in_interface"), r.interfaces("out_interface")
	users, groups := r.accounts("user", n.user), r.accounts("group", n.group)

	own := policy.Ends{Remote: remote, Local: local, Interfaces: interfaces}
	if way != 0 && way != directionForward {
		r.misplaced(`the key belongs to direction "forward"`, "here it is remote or local", "from", "to")
		r.misplaced(`the key belongs to direction "forward"`, "here it is interface", "in_interface", "out_interface")
	}
	if way != 0 && way != directionOut {
		r.misplaced(`only a packet that goes out has an owner; the rule's direction is "`+r.value("direction").text+`"`,
			`make it a rule with direction = "out"`, "user", "group")
	}
	switch way {
	case directionIn:
		return policy.Inbound{Ends: own}
	case directionOut:
		return policy.Outbound{Ends: own, Users: users, Groups: groups}
	case directionBoth:
		return policy.Both{Ends: own}
	case directionForward:
		r.misplaced("a forwarded packet has no end on this machine", "here it is from or to", "remote", "local")
		r.misplaced("a forwarded packet has two interfaces", "here it is in_interface or out_interface", "interface")
		return policy.Forwarded{From: from, To: to, InInterfaces: in, OutInterfaces: out}
	}
	return nil
}

func (r *reader) interfaces(key string) []policy.Interface {
	var out []policy.Interface
	seen := map[policy.Interface]bool{}
	for _, v := range r.each(key) {
		if v.kind != unstable.String {
			r.mistyped(key, v, "the name of an interface", `for example "eth0", or "wl*"`)
			continue
		}
		i, err := policy.ParseInterface(v.text)
		if err != nil {
			r.fail(key, v.at, wrong("", "%s", strings.TrimPrefix(err.Error(), "interface ")))
		} else if !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}

func (r *reader) accounts(key string, find func(string) (uint32, *fault)) []policy.Account {
	var out []policy.Account
	seen := map[policy.Account]bool{}
	for _, v := range r.each(key) {
		s, ok := r.scalar(key, v, "a name or number")
		if !ok {
			continue
		}
		a, w := parseAccount(s, find)
		if w != nil {
			r.fail(key, v.at, w)
		} else if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

// parseAccount reads the name or number of a user or group.
func parseAccount(s string, find func(string) (uint32, *fault)) (policy.Account, *fault) {
	if digits(s) || strings.HasPrefix(s, "-") && digits(s[1:]) {
		id, err := strconv.ParseUint(s, 10, 32)
		// The highest number means "nobody" to the kernel (chown(2)).
		if err != nil || id == math.MaxUint32 {
			return policy.Account{}, wrong("", "%s is no number of an account", s)
		}
		return policy.Account{ID: uint32(id)}, nil
	}
	id, w := find(s)
	return policy.Account{ID: id, Name: s}, w
}
