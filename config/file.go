package config

import (
	"bytes"
	"errors"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/pelletier/go-toml/v2/unstable"
)

// file is a rule file that is being read, with what is wrong with it.
type file struct {
	name     string
	text     []byte
	root     *table
	headers  []header // in order
	ends     []int    // offsets of line feeds
	problems []Problem
	warnings []Problem
	counted  counted
}

// counted is how many characters stand between the start of a line and an offset in it.
type counted struct{ start, offset, characters int }

// parse reads a rule file's text. What is wrong with it as TOML is in the file's problems; root is nil where nothing
// can be said beyond that.
func parse(name string, text []byte) *file {
	// Some editors begin a file with a byte order mark, which is no character of its first line.
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	f := &file{name: name, text: text}
	for i, c := range text {
		if c == '\n' {
			f.ends = append(f.ends, i)
		}
	}
	if utf16(text) {
		f.fault("", "", 0, wrong("save the file as UTF-8", "the file is UTF-16 text, not UTF-8"))
		return f
	}
	if i := invalidUTF8(text); i >= 0 {
		f.fault("", "", i, wrong("save the file as UTF-8", "the file is not UTF-8 text"))
		return f
	}
	if i := tooDeep(text); i >= 0 {
		f.fault("", "", i, wrong("a rule file needs no more than a table in a rule", "keys, lists and tables nest more than %d deep", deepest))
		return f
	}
	b := builder{f: f}
	root, err := b.build()
	var at *unstable.ParserError
	switch {
	case errors.As(err, &at):
		offset := cap(text) - cap(at.Highlight)
		f.problems = nil
		f.fault("", "", offset, f.syntax(offset, at.Message))
		return f
	case err != nil:
		f.fault("", "", 0, wrong("", "%s", err))
		return f
	case len(f.problems) > 0 || b.flawed:
		f.root = root
		return f
	}
	// The tree is built from well-formed lines; whether the whole is valid TOML (dates that exist, no table closed and
	// opened again) is for a library that decides it in full.
	var whole map[string]any
	_, err = toml.Decode(string(text), &whole)
	var bad toml.ParseError
	if errors.As(err, &bad) {
		offset := min(max(bad.Position.Start, 0), len(text))
		if f.line(offset) != bad.Position.Line && bad.Position.Line > 0 {
			offset = f.start(bad.Position.Line)
		}
		f.fault("", "", offset, f.syntax(offset, bad.Message))
		return f
	}
	if err != nil {
		f.fault("", "", 0, wrong("", "%s", strings.TrimPrefix(err.Error(), "toml: ")))
		return f
	}
	f.root = root
	return f
}

// utf16 tells text that an editor saved with two bytes a character: it begins with a byte order mark, or has a zero byte
// in one of the first two characters, neither of which TOML has.
func utf16(text []byte) bool {
	return bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) ||
		len(text) >= 2 && (text[0] == 0) != (text[1] == 0)
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return -1
}

// line gives the line of an offset, from 1.
func (f *file) line(offset int) int { return sort.SearchInts(f.ends, offset) + 1 }

// start gives the offset at which a line begins; that of the end for a line that is not there.
func (f *file) start(line int) int {
	switch {
	case line <= 1:
		return 0
	case line-2 < len(f.ends):
		return f.ends[line-2] + 1
	}
	return len(f.text)
}

func (f *file) source(line int) []byte {
	start := f.start(line)
	end := len(f.text)
	if line-1 < len(f.ends) {
		end = f.ends[line-1]
	}
	return bytes.TrimRight(f.text[start:max(start, end)], "\r")
}

// problem places a fault.
func (f *file) problem(key, table string, offset int, w *fault) Problem {
	offset = min(max(offset, 0), len(f.text))
	line := f.line(offset)
	start := f.start(line)
	p := Problem{File: f.name, Line: line, Column: f.column(start, offset),
		Key: brief(key), Message: brief(w.message), Hint: brief(w.advice()), table: brief(table)}
	text := f.source(line)
	p.source, p.caret = excerpt(text, min(offset-start, len(text)))
	return p
}

// column counts the characters before an offset in the line that begins at start. It goes on from where it was asked last:
// a thousand mistakes in one line of a megabyte are not counted from its beginning each.
func (f *file) column(start, offset int) int {
	if f.counted.start != start || f.counted.offset > offset {
		f.counted = counted{start: start, offset: start}
	}
	f.counted.characters += utf8.RuneCount(f.text[f.counted.offset:offset])
	f.counted.offset = offset
	return f.counted.characters + 1
}

func (f *file) fault(key, table string, offset int, w *fault) {
	f.report(func() Problem { return f.problem(key, table, offset, w) })
}

// most bounds the problems, and the warnings, of a file. Whoever has a thousand is not helped by more.
const most = 1000

// report takes a problem; it is made only where there is room, because its place costs time.
func (f *file) report(make func() Problem) {
	if len(f.problems) > most {
		return
	}
	p := make()
	if len(f.problems) == most {
		p.Message, p.Hint = "there are more problems after this one", ""
	}
	f.problems = append(f.problems, p)
}

func (f *file) warn(make func() Problem) {
	if len(f.warnings) < most {
		f.warnings = append(f.warnings, make())
	}
}
