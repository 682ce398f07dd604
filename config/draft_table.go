package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// tables are the forms whose value is a table: how a draft writes it, and what a person is told who wrote it otherwise.
var tables = map[Form]struct {
	write func(words []string) (parts []string, ok bool)
	want  string
}{
	Weekly:  {weekly, `days and times are wanted, like "mon-fri 22:00-06:00"`},
	Rated:   {rated, `a rate is wanted, like "10/minute", "10/minute burst 5" or "10/minute burst 5 per remote"`},
	Counted: {numbered, `a number is wanted, like "20" or "20 per remote"`},
	Banning: {banning, `a rate and a time are wanted, like "6/minute for 15m"`},
}

// table writes the table for a few words; the table as a rule file has it will do as well. Whether the words mean anything is
// for Load to say.
func (k RuleKey) table(text string) (string, error) {
	if f := parse("", []byte(k.Key+" = "+text)); len(f.problems) == 0 && len(f.root.fields) == 1 && f.root.fields[k.Key].value.kind == unstable.InlineTable {
		return text, nil
	}
	form := tables[k.Form]
	parts, ok := form.write(strings.Fields(text))
	if !ok {
		return "", &ValueError{fmt.Sprintf("%s %q: %s", k.Key, text, form.want), ""}
	}
	return "{ " + strings.Join(parts, ", ") + " }", nil
}

// weekly reads "mon-fri 22:00-06:00"; days or times alone will do.
func weekly(words []string) (parts []string, ok bool) {
	if len(words) > 0 && !strings.Contains(words[0], ":") {
		parts = append(parts, "days = "+list(strings.Split(words[0], ","), quote))
		words = words[1:]
	}
	if len(words) > 0 {
		if from, to, ok := strings.Cut(words[0], "-"); ok {
			parts = append(parts, "from = "+quote(from), "to = "+quote(to))
			words = words[1:]
		}
	}
	return parts, len(words) == 0 && len(parts) > 0
}

// rated reads "10/minute burst 5 per remote".
func rated(words []string) (parts []string, ok bool) {
	return worded("rate", quote, words, "burst", "per")
}

// numbered reads "20 per remote", also with "connections" after the number, as pfw rules has it.
func numbered(words []string) (parts []string, ok bool) {
	if len(words) > 1 && strings.HasPrefix(words[1], "connection") {
		words = slices.Delete(slices.Clone(words), 1, 2)
	}
	return worded("count", number, words, "per")
}

// banning reads "6/minute for 15m", also with "over" before it.
func banning(words []string) (parts []string, ok bool) {
	if len(words) > 0 && words[0] == "over" {
		words = words[1:]
	}
	return worded("over", quote, words, "for")
}

// worded reads a value for the first key, and for others the word and the value, in order.
func worded(first string, write func(string) string, words []string, others ...string) (parts []string, ok bool) {
	if len(words)%2 == 0 {
		return nil, false
	}
	parts = []string{first + " = " + write(words[0])}
	for words = words[1:]; len(words) > 0; words = words[2:] {
		at := slices.Index(others, words[0])
		if at < 0 {
			return nil, false
		}
		parts = append(parts, words[0]+" = "+number(words[1]))
		others = others[at+1:]
	}
	return parts, true
}

// number writes what is a number as one, and else a text.
func number(text string) string {
	if plainNumber(text) {
		return text
	}
	return quote(text)
}
