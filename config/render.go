package config

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown bounds the characters of a source line that a message quotes: what is wrong fits, a minified file does not flood
// the terminal.
const shown = 160

// Text is the problem for a person: the one line, the source line with a caret, and the hint. It ends in a newline.
func (p Problem) Text() string {
	var b strings.Builder
	b.WriteString(p.String() + "\n")
	if p.source != "" {
		line, caret := excerpt(p.source, p.Column)
		fmt.Fprintf(&b, "    %s\n    %s^\n", line, strings.Repeat(" ", caret))
	}
	if p.Hint != "" {
		b.WriteString("  hint: " + p.Hint + "\n")
	}
	return b.String()
}

// excerpt gives the part of a line around a column (from 1, in characters) and how far right the caret stands.
func excerpt(line string, column int) (text string, caret int) {
	runes := []rune(line)
	at := min(max(column-1, 0), len(runes))
	from := max(0, at-shown/2)
	to := min(len(runes), from+shown)
	before, after := printable(string(runes[from:at])), printable(string(runes[at:to]))
	if from > 0 {
		before = "…" + before
	}
	if to < len(runes) {
		after += "…"
	}
	return before + after, utf8.RuneCountInString(before)
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
