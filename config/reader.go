package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// reader reads a table key by key. It notes which keys it was asked for: all others are unknown.
type reader struct {
	f *file
	t *table
	// place names the table in messages where it is no rule, rule is the rule's name.
	place, rule string
	// prefix stands before the keys of a table in a rule: "schedule.".
	prefix string
	asked  []string
	failed bool
}

// fail places a fault at an offset.
func (r *reader) fail(key string, offset int, w *fault) {
	r.failed = true
	r.f.report(func() Problem { return r.problem(key, offset, w) })
}

func (r *reader) warn(key string, offset int, w *fault) {
	r.f.warn(func() Problem { return r.problem(key, offset, w) })
}

func (r *reader) problem(key string, offset int, w *fault) Problem {
	p := r.f.problem(strings.TrimSuffix(r.prefix+key, "."), r.place, offset, w)
	p.Rule = brief(r.rule)
	return p
}

// field gives a key's field, nil where the key is not set.
func (r *reader) field(key string) *field {
	if !slices.Contains(r.asked, key) {
		r.asked = append(r.asked, key)
	}
	return r.t.fields[key]
}

func (r *reader) value(key string) *value {
	if f := r.field(key); f != nil {
		return f.value
	}
	return nil
}

// misplaced refuses keys that are valid elsewhere and not here.
func (r *reader) misplaced(why, hint string, keys ...string) {
	for _, key := range keys {
		if f := r.field(key); f != nil {
			r.fail(key, f.at, wrong(hint, "%s", why))
		}
	}
}

// missing says that a key has to be there.
func (r *reader) missing(key, hint string) {
	r.fail(key, r.t.at, wrong(hint, "the key %q is missing", key))
}

// done refuses all keys that nobody asked for, and those that are set twice.
func (r *reader) done() {
	r.twice()
	for _, f := range r.t.inOrder() {
		if slices.Contains(r.asked, f.name) {
			continue
		}
		r.fail(printable(f.name), f.at, unknown(func() string {
			if near := nearest(f.name, r.asked); near != "" {
				return fmt.Sprintf("did you mean %q?", near)
			}
			return "valid keys: " + strings.Join(r.asked, ", ")
		}, "unknown key %q", f.name))
	}
}

func (r *reader) twice() {
	for _, x := range r.t.twice {
		r.fail(printable(x.key), x.at, x.fault)
	}
}

// mistyped refuses a value of the wrong kind.
func (r *reader) mistyped(key string, v *value, want, hint string) {
	r.fail(key, v.at, wrong(hint, "%s is wanted here, not %s", want, v.what()))
}

// text gives a string; ok is false where the key is not set or its value is no string.
func (r *reader) text(key, want string) (s string, v *value, ok bool) {
	v = r.value(key)
	if v == nil {
		return "", nil, false
	}
	if v.kind != unstable.String {
		hint := ""
		switch {
		case v.kind == unstable.Array:
			hint = "write one value, without brackets"
		case v.table == nil && v.kind != unstable.ArrayTable:
			hint = "put it in quotation marks"
		}
		r.mistyped(key, v, want, hint)
		return "", v, false
	}
	return v.text, v, true
}

// flag gives true or false.
func (r *reader) flag(key string, otherwise bool) bool {
	v := r.value(key)
	if v == nil {
		return otherwise
	}
	if v.kind != unstable.Bool {
		hint := "write " + key + " = true or " + key + " = false"
		if v.kind == unstable.String && (v.text == "true" || v.text == "false") {
			hint = "without quotation marks: " + key + " = " + v.text
		}
		r.mistyped(key, v, "true or false", hint)
		return otherwise
	}
	return v.flag
}

// number gives a whole number between two bounds, both inclusive.
func (r *reader) number(key string, low, high, otherwise int64) int64 {
	v := r.value(key)
	if v == nil {
		return otherwise
	}
	if v.kind != unstable.Integer {
		r.mistyped(key, v, "a whole number", fmt.Sprintf("for example %s = %d", key, otherwise))
		return otherwise
	}
	if v.whole < low || v.whole > high {
		r.fail(key, v.at, wrong("", "%d is not between %d and %d", v.whole, low, high))
		return otherwise
	}
	return v.whole
}

// word gives the meaning of one of a few words, the zero T where the key is not set or has another value. order lists
// the words as a message should.
func word[T any](r *reader, key string, words map[string]T, order []string) (T, bool) {
	var zero T
	s, v, ok := r.text(key, "one of "+oneOf(order))
	if !ok {
		return zero, false
	}
	meaning, known := words[s]
	if !known {
		r.fail(key, v.at, unknown(func() string { return suggest(s, order) }, "unknown word %q", s))
	}
	return meaning, known
}

// each gives the values of a key that takes one or a list; nil where it is not set, or empty, which is refused.
func (r *reader) each(key string) []*value {
	v := r.value(key)
	if v == nil {
		return nil
	}
	if v.kind != unstable.Array {
		return []*value{v}
	}
	if len(v.items) == 0 {
		r.fail(key, v.at, wrong("leave the key out, or name something", "the list is empty"))
	}
	return v.items
}

// sub gives a table that is the value of a key, nil where it is not set.
func (r *reader) sub(key, want, hint string) *table {
	v := r.value(key)
	if v == nil {
		return nil
	}
	if v.table == nil {
		r.mistyped(key, v, want, hint)
	}
	return v.table
}
