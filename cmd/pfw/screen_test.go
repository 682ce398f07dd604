package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"pfw/daemon/api"
)

const hostile = "a\x1b[31mred\u009b2J\a\r\n\t\u202eb\x9b\x7f\U000E0001é"

func TestTextIsHarmless(t *testing.T) {
	for _, c := range []struct {
		arg  any
		want string
	}{
		{hostile, `a\x1b[31mred\x9b2J\x07\x0d\n\t\u202eb\x9b\x7f\U000e0001é`},
		{errors.New("x\x1b"), `x\x1b`},
		{api.State("\x1b"), `\x1b`},
		{styled{red, "\x1b"}, `\x1b`},
		{block("one\n\ttwo\x1b\n"), "one\n\ttwo\\x1b\n"},
		{12, "12"},
	} {
		var b bytes.Buffer
		(&screen{w: &b}).printf("%v", c.arg)
		if b.String() != c.want {
			t.Errorf("%q: got %q, want %q", c.arg, b.String(), c.want)
		}
	}
	var b bytes.Buffer
	(&screen{w: &b}).table([][]cell{{{text: hostile}, {text: "x"}}}, 0)
	if strings.ContainsAny(b.String(), "\x1b\a\r\t") || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("table: %q", b.String())
	}
}

func FuzzJSONStaysWhatItIs(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, text string) {
		line, err := api.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		(&screen{w: &b}).json(line)
		for _, r := range strings.TrimSuffix(b.String(), "\n") {
			if !unicode.IsPrint(r) {
				t.Errorf("%q holds %U", b.String(), r)
			}
		}
		var back string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != strings.ToValidUTF8(text, "\uFFFD") && utf8.ValidString(text) {
			t.Errorf("%q became %q: %v", text, back, err)
		}
	})
}

// terminal gives the two ends of a pseudo terminal.
func terminal(t *testing.T) (outer, inner *os.File) {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outer.Close() })
	if err := unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	return outer, inner
}

func TestColourIsForTerminals(t *testing.T) {
	_, tty := terminal(t)
	for _, c := range []struct {
		name, noColor, term string
		w                   *os.File
		want                bool
	}{
		{"terminal", "", "xterm", tty, true},
		{"NO_COLOR", "1", "xterm", tty, false},
		{"dumb terminal", "", "dumb", tty, false},
		{"file", "", "xterm", os.NewFile(^uintptr(0), "none"), false},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("TERM", c.term)
		s := newScreen(c.w)
		if s.colour != c.want {
			t.Errorf("%s: colour %v", c.name, s.colour)
		}
		if (s.width == 80) != (c.w == tty) {
			t.Errorf("%s: %d columns", c.name, s.width)
		}
	}
	var b bytes.Buffer
	(&screen{w: &b, colour: true}).printf("%s", styled{green, "x"})
	if b.String() != "\x1b[32mx\x1b[0m" {
		t.Errorf("%q", b.String())
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	rows := func() [][]cell {
		return [][]cell{{{text: "long-name"}, {text: strings.Repeat("ä", 60)}, {text: "12", right: true}}, {{text: "b"}, {text: "c"}, {text: "3", right: true}}}
	}
	for _, c := range []struct{ width, want int }{{0, 75}, {100, 75}, {50, 50}, {10, 35}} {
		var b bytes.Buffer
		(&screen{w: &b, width: c.width}).table(rows(), 1)
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n != c.want {
				t.Errorf("width %d: a line of %d: %s", c.width, n, line)
			}
		}
	}
}
