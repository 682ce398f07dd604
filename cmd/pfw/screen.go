package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen writes text for people. Whatever comes from outside passes through printf, which spells out what a terminal
// would interpret: a comment, or a reason in the log, may have been made by somebody who means harm.
type screen struct {
	w      io.Writer
	colour bool
	width  int   // columns of the terminal; 0 where it is none
	failed error // the first error of writing
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	// no-color.org: set and not empty.
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		s.width = width
	}
	return s
}

// style is a colour or a weight, in the numbers of ECMA-48 SGR.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	red    style = "1;31"
	green  style = "32"
	yellow style = "33"
)

// styled is text in a style.
type styled struct {
	style style
	text  string
}

// block is text of several lines.
type block string

// printf is fmt.Fprintf with every argument made harmless.
func (s *screen) printf(format string, args ...any) {
	for i, arg := range args {
		args[i] = s.harmless(arg)
	}
	s.write(fmt.Sprintf(format, args...))
}

func (s *screen) harmless(arg any) any {
	switch v := arg.(type) {
	case styled:
		return s.paint(v.style, safe(v.text))
	case block:
		return safeLines(string(v))
	case error:
		return safe(v.Error())
	}
	switch reflect.ValueOf(arg).Kind() {
	case reflect.Int, reflect.Uint64:
		return arg
	}
	return safe(fmt.Sprint(arg))
}

// paint expects text that is safe.
func (s *screen) paint(st style, text string) string {
	if !s.colour || st == plain {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

// json writes JSON, in which what a terminal would interpret can stand in strings only.
func (s *screen) json(text []byte) {
	s.write(escape(string(text), func(r rune) bool { return r == '\n' }, func(b *strings.Builder, r rune, _ byte) {
		if r > 0xffff { // a pair of surrogates, RFC 8259 section 7
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			return
		}
		fmt.Fprintf(b, `\u%04x`, r)
	}))
}

func (s *screen) write(text string) {
	if _, err := io.WriteString(s.w, text); err != nil && s.failed == nil {
		s.failed = err
	}
}

func safe(text string) string { return escape(text, func(rune) bool { return false }, spell) }

func safeLines(text string) string {
	return escape(text, func(r rune) bool { return r == '\n' || r == '\t' }, spell)
}

// spell writes a character as Go does, and a byte that is none by its value.
func spell(b *strings.Builder, r rune, raw byte) {
	switch {
	case r == utf8.RuneError:
		fmt.Fprintf(b, `\x%02x`, raw)
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x100:
		fmt.Fprintf(b, `\x%02x`, r)
	case r <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// escape puts spelt in place of each character that does not print: control characters, escape sequences with them,
// marks that turn the direction of writing.
func escape(text string, keep func(rune) bool, spelt func(b *strings.Builder, r rune, raw byte)) string {
	front := 0 // bytes of plain text, nearly always all
	for front < len(text) && ' ' <= text[front] && text[front] <= '~' {
		front++
	}
	if front == len(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	b.WriteString(text[:front])
	for i, r := range text[front:] {
		raw := text[front+i]
		wrong := r == utf8.RuneError && raw != "\uFFFD"[0]
		if !wrong && (unicode.IsPrint(r) || keep(r)) {
			b.WriteRune(r)
			continue
		}
		spelt(&b, r, raw)
	}
	return b.String()
}
