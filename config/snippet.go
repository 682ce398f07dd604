package config

import (
	"bytes"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// snippet is the text of one [[rule]] that is not of a file yet.
type snippet struct {
	// lead are the lines above the [[rule]], body the rest, without the end of its last line.
	lead, body    string
	endsInComment bool
	table         *table
	// bad is what is wrong with the text as TOML; then table is nil.
	bad *Errors
}

// like gives the text with line ends as another text has them.
func (s *snippet) like(other []byte) string {
	text := s.lead + s.body
	switch first := bytes.IndexByte(other, '\n'); {
	case !bytes.Contains(other, []byte("\r\n")):
		return strings.ReplaceAll(text, "\r\n", "\n")
	case !strings.Contains(text, "\r\n") && first > 0 && other[first-1] == '\r':
		return strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// complete gives the text of one rule what it may leave out: the line [[rule]], and the name.
func complete(name, text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	f := parse("", []byte(text))
	if len(f.problems) > 0 || len(f.root.fields) == 0 {
		return text
	}
	const header = "[[rule]]\n"
	if f.root.fields["rule"] == nil {
		text = header + text
		if f = parse("", []byte(text)); len(f.problems) > 0 {
			return text
		}
	}
	blocks := blocksOf(f, linesOf(f.text))
	if len(blocks) != 1 || blocks[0].table.fields["name"] != nil {
		return text
	}
	if !strings.Contains(text[blocks[0].body.start:], "\n") {
		text += "\n"
	}
	below := blocks[0].body.start + strings.Index(text[blocks[0].body.start:], "\n") + 1
	return text[:below] + "name = " + quote(name) + "\n" + text[below:]
}

// readSnippet reads the text of one [[rule]].
func readSnippet(text string) (*snippet, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	f := parse("", []byte(text))
	s := &snippet{body: text}
	if len(f.problems) > 0 {
		s.bad = &Errors{Problems: f.problems}
		return s, nil
	}
	notOne := &EditError{NotOneRule, "the text is not that of one rule", "write [[rule]] on a line of its own, and the keys below it"}
	rules := f.root.fields["rule"]
	if len(f.root.fields) != 1 || rules == nil || rules.value.kind != unstable.ArrayTable || len(rules.value.items) != 1 {
		return nil, notOne
	}
	lines := linesOf(f.text)
	for len(lines) > 0 && lines[0].kind == lineBlank {
		lines = lines[1:]
	}
	for lines[len(lines)-1].kind == lineBlank {
		lines = lines[:len(lines)-1]
	}
	b := blocksOf(f, lines)[0]
	s.lead = text[lines[0].start:b.body.start]
	last := lines[len(lines)-1]
	s.body, s.endsInComment = strings.TrimRight(text[b.body.start:last.end], "\r\n"), last.kind == lineComment
	s.table = b.table
	return s, nil
}

// moved places the problems in a file, so many lines further down.
func (e *Errors) moved(path string, lines int) *Errors {
	out := &Errors{}
	for _, p := range e.Problems {
		p.File = path
		p.Line += lines
		out.Problems = append(out.Problems, p)
	}
	return out
}
