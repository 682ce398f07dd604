package config

import (
	"fmt"
	"slices"
	"strings"
)

// RuleFile is a rule file's text, in which rules can be edited one by one: whatever is not of the rule stays as it is, to the
// byte. An edit gives the new text, or an error: *Errors where the text, or that of the rule, is not TOML; else *EditError.
// Whether the new text is a valid rule file is for Load to say.
type RuleFile struct {
	Path string
	Text string
	// Unread is why there is no text; nil where there is.
	Unread error
}

// Place is where a rule goes: before or after another of the file. The zero Place is the end of the rules for a new rule,
// and where it is for one that is there.
type Place struct{ Before, After string }

// EditError is why an edit changes nothing.
type EditError struct {
	Reason  EditReason
	Message string
	Hint    string
}

func (e *EditError) Error() string { return e.Message }

// EditReason tells what is at fault with an edit. The zero value is invalid.
type EditReason uint8

// The reasons of an EditError.
const (
	_ EditReason = iota
	// NoSuchRule: a rule that the edit names is not in the file.
	NoSuchRule
	// NotOneRule: what is to be put is not the text of one [[rule]].
	NotOneRule
	// NotEditable: the file is written in a way that this package does not edit.
	NotEditable
)

// document is a rule file's text taken apart.
type document struct {
	*file
	bom    string
	lines  []line
	blocks []*block
}

// open takes a text apart.
func (r RuleFile) open() (*document, error) {
	if r.Unread != nil {
		return nil, &EditError{NotEditable, fmt.Sprintf("%s cannot be read: %s", r.Path, printable(r.Unread.Error())), ""}
	}
	const mark = "\ufeff"
	text, marked := strings.CutPrefix(r.Text, mark)
	f := parse(r.Path, []byte(text))
	if len(f.problems) > 0 {
		return nil, &Errors{Problems: f.problems}
	}
	d := &document{file: f, lines: linesOf(f.text)}
	if marked {
		d.bom = mark
	}
	d.blocks = blocksOf(f, d.lines)
	return d, nil
}

// Names lists the names of the rules in order, however they are written.
func (r RuleFile) Names() ([]string, error) {
	d, err := r.open()
	if err != nil {
		return nil, err
	}
	return d.names(), nil
}

// Line gives the line of a rule's [[rule]], 0 where there is none.
func (r RuleFile) Line(name string) int {
	d, err := r.open()
	if err != nil {
		return 0
	}
	for _, b := range d.blocks {
		if b.table.name() == name {
			return d.line(b.body.start)
		}
	}
	return 0
}

// Delete takes a rule out, with the comment lines right above it and one gap of blank lines.
func (r RuleFile) Delete(name string) (string, error) {
	d, err := r.open()
	if err != nil {
		return "", err
	}
	i, err := d.find(name)
	if err != nil {
		return "", err
	}
	text := d.without(d.blocks[i])
	return d.verified(text, name, func(after *document) bool { return !after.has(name) })
}

// Put puts the text of one [[rule]] in, in the place of the rule of that name where there is one. The text may leave out the
// line [[rule]] and the name. The comment lines right above a rule that is replaced stay, unless the text brings its own.
func (r RuleFile) Put(name, text string, at Place) (string, error) {
	d, err := r.open()
	if err != nil {
		return "", err
	}
	rule, err := readSnippet(complete(name, text))
	if err != nil {
		return "", err
	}
	if rule.table != nil && rule.table.name() != name {
		return "", &EditError{NotOneRule, fmt.Sprintf("the name of the rule in the text is %q, not %q", rule.table.name(), name), "a rule is renamed by hand, or deleted and added anew"}
	}
	return d.put(name, rule, at)
}

func (d *document) put(name string, rule *snippet, at Place) (string, error) {
	there := d.has(name)
	i := -1
	if there {
		var err error
		if i, err = d.find(name); err != nil {
			return "", err
		}
	}
	moved := at != Place{}
	base := d
	if there && moved {
		if rule.lead == "" {
			lead := d.blocks[i].lead
			rule.lead = string(d.text[lead.start:lead.end])
		}
		var err error
		if base, err = (RuleFile{Path: d.name, Text: d.without(d.blocks[i])}).open(); err != nil {
			return "", err
		}
	}
	var s splice
	var err error
	if there && !moved {
		s = base.replace(i, rule)
	} else if s, err = base.insert(rule, at); err != nil {
		return "", err
	}
	if rule.bad != nil {
		return "", rule.bad.moved(d.name, base.line(s.from)-1+strings.Count(s.before, "\n"))
	}
	return d.verified(base.apply(s), name, func(after *document) bool {
		j, err := after.find(name)
		return err == nil && j == s.index && sameTable(after.blocks[j].table, rule.table)
	})
}

// find gives the index of a rule that can be edited.
func (d *document) find(name string) (int, error) {
	found := -1
	for i, b := range d.blocks {
		if b.table.name() != name {
			continue
		}
		if found >= 0 {
			return 0, &EditError{NotEditable, fmt.Sprintf("%s has two rules %q", d.name, name), "give one of them another name"}
		}
		found = i
	}
	switch {
	case found >= 0:
		return found, d.editable(found)
	case d.has(name):
		return 0, d.listed()
	}
	return 0, &EditError{NoSuchRule, fmt.Sprintf("there is no rule %q in %s", name, d.name), ""}
}

// editable refuses a rule that is not one piece of text.
func (d *document) editable(i int) error {
	if b := d.blocks[i]; b.apart {
		return &EditError{NotEditable, fmt.Sprintf("the tables of rule %q stand apart in %s", b.table.name(), d.name),
			"put its [rule.…] tables right below it, or edit the file by hand"}
	}
	return nil
}

// listed refuses a file whose rules are values and not tables of their own.
func (d *document) listed() *EditError {
	return &EditError{NotEditable, fmt.Sprintf("%s does not write its rules as [[rule]] (line %d)", d.name, d.line(d.root.fields["rule"].at)),
		"write each rule under a [[rule]] of its own, or edit the file by hand"}
}

// has tells whether there is a rule of a name, however it is written.
func (d *document) has(name string) bool { return slices.Contains(d.names(), name) }

func (d *document) names() []string {
	var out []string
	if x := d.root.fields["rule"]; x != nil {
		for _, v := range x.value.items {
			if v.table != nil {
				out = append(out, v.table.name())
			}
		}
	}
	return out
}

// verified gives the new text once it was read again, and found to say the same but for the rule.
func (d *document) verified(text, name string, as func(after *document) bool) (string, error) {
	after, err := RuleFile{Path: d.name, Text: text}.open()
	if err == nil && sameTable(d.root, after.root, "rule") && sameRules(d.file, after.file, name) && as(after) {
		return d.bom + text, nil
	}
	return "", &EditError{NotEditable, fmt.Sprintf("rule %q cannot be edited in %s without a change to what is around it", name, d.name),
		"edit the file by hand"}
}
