package config

import "bytes"

// splice is a rule's text that goes into the text of a file, in place of what stands from one offset to another. index is
// the rule's among the rules then. before and after are line ends that keep it apart from what is around it.
type splice struct {
	from, to      int
	index         int
	before, after string
	text, end     string
}

func (d *document) apply(s splice) string {
	text := s.before + s.text
	// What is put at the end of a file that ends without a line end does so, too.
	if s.to < len(d.text) || !d.unended() {
		text += s.end + s.after
	}
	return string(d.text[:s.from]) + text + string(d.text[s.to:])
}

// eol is how the lines of the file end.
func (d *document) eol() string {
	if i := bytes.IndexByte(d.text, '\n'); i > 0 && d.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// unended tells whether the last line has no end.
func (d *document) unended() bool { return len(d.text) > 0 && d.text[len(d.text)-1] != '\n' }

// replace puts a rule in the place of the one at i.
func (d *document) replace(i int, rule *snippet) splice {
	b := d.blocks[i]
	s := splice{from: b.body.start, to: b.body.end, index: i, text: rule.like(d.text[b.body.start:b.body.end]), end: d.eolBefore(b.body.end)}
	if rule.lead != "" {
		s.from = b.lead.start
	}
	s.after = d.apartFrom(rule, b.last+1)
	return s
}

// insert finds the place of a rule that is not there.
func (d *document) insert(rule *snippet, at Place) (splice, error) {
	if x := d.root.fields["rule"]; x != nil && len(d.blocks) == 0 {
		return splice{}, d.listed()
	}
	switch {
	case at.Before != "":
		i, err := d.find(at.Before)
		if err != nil {
			return splice{}, err
		}
		return d.above(i, rule), nil
	case at.After != "":
		i, err := d.find(at.After)
		if err != nil {
			return splice{}, err
		}
		return d.below(i, rule), nil
	case len(d.blocks) > 0:
		last := len(d.blocks) - 1
		return d.below(last, rule), d.editable(last)
	}
	return d.atEnd(rule), nil
}

// above puts a rule before the one at i: over the blank lines that are there. Where none keep the rules apart, none is put.
func (d *document) above(i int, rule *snippet) splice {
	b := d.blocks[i]
	s := splice{from: b.lead.start, to: b.lead.start, index: i, text: rule.like(d.text), end: d.eol(), after: d.apartFrom(rule, b.first)}
	gap := b.first
	for gap > 0 && d.lines[gap-1].kind == lineBlank {
		gap--
	}
	switch {
	case gap == 0:
		s.after = d.eol()
	case gap < b.first:
		s.from, s.to, s.before, s.after = d.lines[gap].start, d.lines[gap].start, d.eol(), ""
	}
	return s
}

// below puts a rule after the one at i.
func (d *document) below(i int, rule *snippet) splice {
	b := d.blocks[i]
	s := splice{from: b.body.end, to: b.body.end, index: i + 1, text: rule.like(d.text), end: d.eol(), after: d.apartFrom(rule, b.last+1)}
	dense := b.first > 0 && d.lines[b.first-1].kind != lineBlank
	if next := b.last + 1; next < len(d.lines) {
		dense = d.lines[next].kind != lineBlank
	}
	if !dense || d.lines[b.last].kind == lineComment {
		s.before = d.eol()
	}
	return d.afterEnd(s)
}

// atEnd puts a rule after all that the file has.
func (d *document) atEnd(rule *snippet) splice {
	s := splice{text: rule.like(d.text), end: d.eol()}
	for _, l := range d.lines {
		if l.kind != lineBlank {
			s.from, s.to, s.before = l.end, l.end, d.eol()
		}
	}
	return d.afterEnd(s)
}

// afterEnd ends the line that a rule is put behind.
func (d *document) afterEnd(s splice) splice {
	if s.from == len(d.text) && d.unended() {
		s.before += d.eol()
	}
	return s
}

// apartFrom keeps a comment that ends the rule's text from being taken for one of what follows right below.
func (d *document) apartFrom(rule *snippet, next int) string {
	if rule.endsInComment && next < len(d.lines) && d.lines[next].kind != lineBlank {
		return d.eol()
	}
	return ""
}

// without takes a rule out, and of the blank lines around it as many as kept it apart: what was put by insert is gone
// without a trace.
func (d *document) without(b *block) string {
	above, below := 0, 0
	for b.first-above > 0 && d.lines[b.first-above-1].kind == lineBlank {
		above++
	}
	for b.last+below+1 < len(d.lines) && d.lines[b.last+below+1].kind == lineBlank {
		below++
	}
	first, last := b.first, b.last
	atEnd := last+below+1 == len(d.lines)
	switch {
	case first == 0 && !atEnd:
		last += below
	case atEnd && below == 0:
		first -= above
	default:
		first -= min(above, below)
	}
	from, to := d.lines[first].start, d.lines[last].end
	if to == len(d.text) && d.unended() {
		from -= len(d.eolBefore(from))
	}
	return string(d.text[:from]) + string(d.text[to:])
}

// eolBefore is the line end right before an offset, "" at the start of the text.
func (d *document) eolBefore(offset int) string {
	text := d.text[:offset]
	for _, eol := range []string{"\r\n", "\n"} {
		if bytes.HasSuffix(text, []byte(eol)) {
			return eol
		}
	}
	return ""
}
