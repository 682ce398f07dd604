package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Form is how the value of a rule's key is written. The zero value is invalid.
type Form uint8

// The forms of a value.
const (
	_ Form = iota
	// Text is one text, Texts one or several.
	Text
	Texts
	// Numbers is one or several numbers or texts.
	Numbers
	// Literal is written without quotation marks: true, or a date and time.
	Literal
	// Weekly is a table of days and times, which a draft has as "mon-fri 22:00-06:00".
	Weekly
	// Rated, Counted and Banning are the tables of a limit, of max_connections and of a ban, which a draft has as
	// "10/minute burst 5 per remote", "20 per remote" and "6/minute for 15m".
	Rated
	Counted
	Banning
)

// RuleKey is a key of [[rule]].
type RuleKey struct {
	Key  string
	Form Form
}

// RuleKeys are the keys of [[rule]] in the order in which they are documented, and written.
var RuleKeys = []RuleKey{
	{"name", Text}, {"action", Text}, {"direction", Text}, {"enabled", Literal}, {"comment", Text},
	{"protocol", Numbers}, {"port", Numbers}, {"source_port", Numbers}, {"icmp_type", Numbers},
	{"remote", Texts}, {"local", Texts}, {"from", Texts}, {"to", Texts},
	{"interface", Texts}, {"in_interface", Texts}, {"out_interface", Texts}, {"user", Numbers}, {"group", Numbers},
	{"schedule", Weekly}, {"until", Literal}, {"limit", Rated}, {"max_connections", Counted}, {"ban", Banning}, {"log", Literal}, {"severity", Text},
}

// Flag is the key as a flag of pfw allow.
func (k RuleKey) Flag() string { return strings.ReplaceAll(k.Key, "_", "-") }

// List tells whether the key takes several values.
func (k RuleKey) List() bool { return k.Form == Texts || k.Form == Numbers }

// Draft is a rule that is to be written: what stands behind each of its keys.
type Draft map[string][]string

// TOML is the rule as a person writes it in a rule file. A table that cannot be read is an error.
func (d Draft) TOML() (string, error) {
	var b strings.Builder
	b.WriteString("[[rule]]\n")
	for _, k := range RuleKeys {
		values := d[k.Key]
		if len(values) == 0 {
			continue
		}
		written := list(values, k.toml)
		if _, ok := tables[k.Form]; ok {
			var err error
			if written, err = k.table(values[0]); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&b, "%s = %s\n", k.Key, written)
	}
	return b.String(), nil
}

func (k RuleKey) toml(value string) string {
	if k.Form == Literal || k.Form == Numbers && plainNumber(value) {
		return value
	}
	return quote(value)
}

// list writes one value as it is, and several in brackets.
func list(values []string, write func(string) string) string {
	if len(values) == 1 {
		return write(values[0])
	}
	written := make([]string, len(values))
	for i, v := range values {
		written[i] = write(v)
	}
	return "[" + strings.Join(written, ", ") + "]"
}

// plainNumber tells whether a number is the same in TOML, which has none that begin with a zero.
func plainNumber(s string) bool { return digits(s) && len(s) < 18 && (s[0] != '0' || s == "0") }

// quote writes a basic string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String() + `"`
}

// Command is the command line that writes the rule, for a shell. placed are the flags that say where, if any.
func (d Draft) Command(placed ...string) string {
	words := []string{"pfw"}
	words = append(words, d["action"]...)
	for _, way := range d["direction"] {
		words = append(words, "--"+way)
	}
	for _, k := range RuleKeys {
		values := d[k.Key]
		if k.Key == "action" || k.Key == "direction" || len(values) == 0 {
			continue
		}
		value := shell(strings.Join(values, ","))
		if values[0] == "true" || values[0] == "false" {
			words = append(words, "--"+k.Flag()+"="+value)
			continue
		}
		words = append(words, "--"+k.Flag(), value)
	}
	return strings.Join(slices.Concat(words, placed), " ")
}

var harmlessWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// shell quotes a word for a POSIX shell.
func shell(s string) string {
	if harmlessWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
