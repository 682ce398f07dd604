package config

import (
	"bytes"

	"github.com/pelletier/go-toml/v2/unstable"
)

// part is a part of a text, in bytes; end is behind its last one.
type part struct{ start, end int }

// line is a line of TOML with its end: a list or a text that goes over several lines is one with the line that opens it.
type line struct {
	part
	kind lineKind
}

type lineKind uint8

const (
	_ lineKind = iota
	lineBlank
	lineComment
	lineHeader
	lineKey
)

// linesOf cuts a text that is TOML into its lines.
func linesOf(text []byte) []line {
	var out []line
	var s nesting
	start := 0
	for i := 0; i < len(text); {
		next, _, ok := s.step(text, i)
		if !ok {
			panic("config: a text that was read as TOML is none")
		}
		if text[i] == '\n' && len(s.open) == 0 || next >= len(text) {
			out = append(out, line{part{start, next}, kindOf(text[start:next])})
			start = next
		}
		i = next
	}
	return out
}

func kindOf(line []byte) lineKind {
	line = bytes.TrimLeft(line, " \t\r\n")
	switch {
	case len(line) == 0:
		return lineBlank
	case line[0] == '#':
		return lineComment
	case line[0] == '[':
		return lineHeader
	}
	return lineKey
}

// block is the text of one [[rule]].
type block struct {
	// lead are the comment lines right above the [[rule]]; empty, at the header, where there are none. body goes from
	// the header to the last line of the rule: its last key, or a comment right below that.
	lead, body part
	// first and last are the lines of lead and body.
	first, last int
	table       *table
	// apart says that a table of the rule stands behind a table that is not of it.
	apart bool
}

// name is the one that a rule has, "" where it has none.
func (t *table) name() string {
	if f := t.fields["name"]; f != nil && f.value.kind == unstable.String {
		return f.value.text
	}
	return ""
}

// blocksOf finds the rules that are written as [[rule]].
func blocksOf(f *file, lines []line) []*block {
	tables := f.rules()
	var out []*block
	var open *block // the rule whose lines are being read
	headers := f.headers
	for i, l := range lines {
		switch {
		case l.kind == lineHeader:
			h := headers[0]
			headers = headers[1:]
			switch {
			case h.path[0] != "rule":
				open = nil
			case h.array && len(h.path) == 1:
				open = &block{first: i, body: l.part, table: tables[len(out)].table}
				for open.first > 0 && lines[open.first-1].kind == lineComment {
					open.first--
				}
				open.lead = part{lines[open.first].start, l.start}
				out = append(out, open)
			case open == nil && len(out) > 0:
				out[len(out)-1].apart = true
			}
			fallthrough
		case l.kind == lineKey:
			if open != nil {
				open.body.end, open.last = l.end, i
			}
		}
	}
	for _, b := range out {
		b.ownComments(lines)
	}
	return out
}

// ownComments takes in the comment lines right below the last key, but for those that stand right above a header: they
// are that one's.
func (b *block) ownComments(lines []line) {
	n := b.last
	for n+1 < len(lines) && lines[n+1].kind == lineComment {
		n++
	}
	if n+1 == len(lines) || lines[n+1].kind == lineBlank {
		b.last, b.body.end = n, lines[n].end
	}
}

// rules gives the elements of [[rule]] in order; none where the file has none, or writes them in another way.
func (f *file) rules() []*value {
	if x := f.root.fields["rule"]; x != nil && x.value.kind == unstable.ArrayTable {
		return x.value.items
	}
	return nil
}
