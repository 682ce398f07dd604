package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a file, or one warning about it.
type Problem struct {
	// File is the path as it was given to Load, or one beside it.
	File string `json:"file"`
	// Line and Column count from 1, the column in characters.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Rule is the name of the rule at fault, Key the key.
	Rule    string `json:"rule,omitempty"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`

	// table is the table at fault where it is no rule: "[default]".
	table string
	// source is the line at fault, or the part of it around the column, and caret how far right in it the column is.
	source string
	caret  int
}

// Errors is why a file is refused: all problems of all files, and the expectations, failed or not, where the rest was
// good enough to judge them. Warnings are no reason; they are what else the reading came upon.
type Errors struct {
	Problems     []Problem
	Expectations []Expectation
	Warnings     []Problem
}

// ExpectationOnly tells whether the files are valid but for expectations that do not hold.
func (e *Errors) ExpectationOnly() bool { return len(e.Problems) == 0 }

// All gives the problems and, as problems, the expectations that do not hold, in the order of the files.
func (e *Errors) All() []Problem {
	out := slices.Clone(e.Problems)
	failed := 0
	for _, x := range e.Expectations {
		if x.OK {
			continue
		}
		if failed++; failed > most {
			last := out[len(out)-1]
			last.Message, last.Hint = "there are more expectations that fail after this one", ""
			return append(out, last)
		}
		out = append(out, x.problem)
	}
	return out
}

// Error gives the whole text for a person: each problem with its source line, a caret and a hint.
func (e *Errors) Error() string {
	var b strings.Builder
	for i, p := range e.All() {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(p.Text())
	}
	return b.String()
}

// String is the problem in one line, without source line and hint: "firewall.toml:12:9: rule "ssh": port: …".
func (p Problem) String() string {
	parts := []string{fmt.Sprintf("%s:%d:%d", printable(p.File), p.Line, p.Column)}
	switch {
	case p.Rule != "":
		parts = append(parts, fmt.Sprintf("rule %q", p.Rule))
	case p.table != "" && p.Key != "":
		parts = append(parts, p.table+" "+p.Key)
	case p.table != "":
		parts = append(parts, p.table)
	}
	if p.Key != "" && (p.Rule != "" || p.table == "") {
		parts = append(parts, p.Key)
	}
	return strings.Join(append(parts, p.Message), ": ")
}

func byPlace(order map[string]int) func(a, b Problem) int {
	return func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}
}
