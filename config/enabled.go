package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Enabled gives the text of a rule with enabled set to on, for Put, and whether it is another text than that in the file.
func (r RuleFile) Enabled(name string, on bool) (text string, changed bool, err error) {
	d, err := r.open()
	if err != nil {
		return "", false, err
	}
	i, err := d.find(name)
	if err != nil {
		return "", false, err
	}
	b := d.blocks[i]
	head, tail := d.text[b.body.start:b.body.end], []byte(nil)
	switch f := b.table.fields["enabled"]; {
	case f == nil && on:
	case f == nil:
		at, line := d.enabledLine(b, on)
		head, tail = append(bytes.Clone(d.text[b.body.start:at]), line...), d.text[at:b.body.end]
	case f.value.kind != unstable.Bool:
		return "", false, &EditError{NotEditable, fmt.Sprintf("enabled of rule %q is neither true nor false in %s", name, r.Path), ""}
	case f.value.flag != on:
		at := f.value.at
		head = strconv.AppendBool(bytes.Clone(d.text[b.body.start:at]), on)
		tail = d.text[at+len(f.value.text) : b.body.end]
	}
	text = string(head) + string(tail)
	return text, text != string(d.text[b.body.start:b.body.end]), nil
}

// enabledLine makes a line that looks as the one of the rule's name does, and gives the offset where it goes: below that.
func (d *document) enabledLine(b *block, on bool) (at int, text string) {
	name := b.table.fields["name"]
	i := b.first
	for d.lines[i].end <= name.at {
		i++
	}
	line := string(d.text[d.lines[i].start:d.lines[i].end])
	// What stands before the value: indent, key, blanks, equals sign, blanks.
	before, _, _ := strings.Cut(line, "=")
	indent := before[:len(before)-len(strings.TrimLeft(before, " \t"))]
	key := "enabled"
	if before != strings.TrimRight(before, " \t") {
		key = fmt.Sprintf("%-*s ", len(strings.TrimSpace(before))+len(before)-len(strings.TrimRight(before, " \t"))-1, key)
	}
	after := line[len(before)+1:]
	gap := after[:len(after)-len(strings.TrimLeft(after, " \t"))]
	eol := d.eolBefore(d.lines[i].end)
	if eol == "" {
		// The name is the last line of a file that ends without a line end.
		return d.lines[i].end, d.eol() + indent + key + "=" + gap + strconv.FormatBool(on)
	}
	return d.lines[i].end, indent + key + "=" + gap + strconv.FormatBool(on) + eol
}
