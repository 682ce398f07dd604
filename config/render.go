package config

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown bounds the characters of a source line that a message quotes: what is wrong fits, a minified file does not flood
// the terminal.
const shown = 240

// Text is the problem for a person: the one line, the source line with a caret, and the hint. It ends in a newline.
func (p Problem) Text() string {
	var b strings.Builder
	b.WriteString(p.String() + "\n")
	if p.source != "" {
		fmt.Fprintf(&b, "    %s\n    %s^\n", p.source, strings.Repeat(" ", p.caret))
	}
	if p.Hint != "" {
		b.WriteString("  hint: " + p.Hint + "\n")
	}
	return b.String()
}

// excerpt gives the part of a line around an offset, made printable, and how far right the caret stands.
func excerpt(line []byte, offset int) (text string, caret int) {
	from, to := offset, offset
	for range shown / 2 {
		_, size := utf8.DecodeLastRune(line[:from])
		from -= size
		_, size = utf8.DecodeRune(line[to:])
		to += size
	}
	before, after := printable(string(line[from:offset])), printable(string(line[offset:to]))
	if from > 0 {
		before = "…" + before
	}
	if to < len(line) {
		after += "…"
	}
	return before + after, utf8.RuneCountInString(before)
}

// brief cuts a message that quotes a value of any length.
func brief(s string) string {
	const most = 400
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// printable makes one line of text harmless for a terminal: tabs become spaces, and what else does not print, escape
// sequences and direction marks among it, is spelled out.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}
