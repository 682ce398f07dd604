package config

import "bytes"

// deepest bounds how deep keys and values nest. A firewall.toml needs four; the libraries that read TOML take time that
// grows with the square of the depth, and stack that grows with it, so the bound is kept before they see the text.
const deepest = 32

// tooDeep finds the first key, list or table that nests deeper than deepest; -1 where none does. It reads no further
// than text is TOML: what stands behind the first mistake, no library reads either.
func tooDeep(text []byte) int {
	var s nesting
	for i := 0; i < len(text); {
		next, deep, ok := s.step(text, i)
		switch {
		case deep:
			return i
		case !ok:
			return -1
		}
		i = next
	}
	return -1
}

// nesting is where in a text a scan stands.
type nesting struct {
	// header is how deep the table of the last [header] is.
	header int
	// open are the lists and tables around this place, the depth before each.
	open []opened
	// base is the depth before the key or value that is being read, parts how many dots its key has.
	base, parts int
	// inHeader and inValue say that brackets are those of a header, and that dots are those of a number.
	inHeader, inValue bool
}

type opened struct {
	bracket     byte
	base, parts int
}

// step reads one character, string or comment at i.
func (s *nesting) step(text []byte, i int) (next int, deep, ok bool) {
	switch c := text[i]; c {
	case '#':
		if end := bytes.IndexByte(text[i:], '\n'); end >= 0 {
			return i + end, false, true
		}
		return len(text), false, true
	case '"', '\'':
		next := stringEnd(text, i)
		return next, false, next >= 0
	case '\n':
		if len(s.open) == 0 {
			s.header = s.header + s.headerParts()
			s.base, s.parts, s.inHeader, s.inValue = s.header, 0, false, false
		}
	case '.':
		if !s.inValue {
			s.parts++
			return i + 1, s.base+s.parts >= deepest, true
		}
	case '=':
		if s.inHeader || s.inValue {
			return 0, false, false
		}
		s.inValue = true
	case ',':
		if len(s.open) > 0 {
			s.parts, s.inValue = 0, s.open[len(s.open)-1].bracket == '['
		}
	case '[', '{':
		return i + 1, s.enter(c), true
	case ']', '}':
		return i + 1, false, s.leave(c)
	}
	return i + 1, false, true
}

func (s *nesting) headerParts() int {
	if s.inHeader {
		return s.parts + 1
	}
	return 0
}

func (s *nesting) enter(c byte) (deep bool) {
	if len(s.open) == 0 && !s.inValue {
		// A header names its table from the top of the file.
		s.inHeader, s.header, s.base, s.parts = true, 0, 0, 0
		return false
	}
	s.open = append(s.open, opened{c, s.base, s.parts})
	s.base, s.parts, s.inValue = s.base+s.parts+1, 0, c == '['
	return s.base >= deepest
}

func (s *nesting) leave(c byte) (ok bool) {
	if len(s.open) == 0 {
		return s.inHeader
	}
	last := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	s.base, s.parts, s.inValue = last.base, last.parts, true
	// ']' and '}' stand two behind the brackets that they close.
	return last.bracket == c-2
}

// stringEnd gives the offset behind the string that begins at i, -1 where it does not end.
func stringEnd(text []byte, i int) int {
	quote := text[i]
	long := []byte{quote, quote, quote}
	if !bytes.HasPrefix(text[i:], long) {
		for i++; i < len(text) && text[i] != '\n'; i++ {
			if text[i] == quote {
				return i + 1
			}
			if text[i] == '\\' && quote == '"' {
				i++
			}
		}
		return -1
	}
	for i += len(long); i < len(text); i++ {
		if text[i] == '\\' && quote == '"' {
			i++
			continue
		}
		if bytes.HasPrefix(text[i:], long) {
			i += len(long)
			// Up to two quotation marks before the end are the string's own.
			for range 2 {
				if i < len(text) && text[i] == quote {
					i++
				}
			}
			return i
		}
	}
	return -1
}
