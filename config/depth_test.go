package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// How deep a text nests is known before a library takes time over it.
func TestDeepNestingIsRefusedAtOnce(t *testing.T) {
	const n = 50_000
	for _, c := range []struct {
		name, text string
		column     int
	}{
		{"key", strings.Repeat("a.", n) + "b = 1", 2 * deepest},
		{"spaced key", strings.Repeat("a . ", n) + "b = 1", 4*deepest - 1},
		{"quoted key", strings.Repeat(`"a."."b".`, n) + "b = 1", 9 * deepest / 2},
		{"header", "[" + strings.Repeat("a.", n) + "b]", 2*deepest + 1},
		{"array header", "[[" + strings.Repeat("a.", n) + "b]]", 2*deepest + 2},
		{"lists", "a = " + strings.Repeat("[", n), 4 + deepest},
		{"closed lists", "a = " + strings.Repeat("[", n) + strings.Repeat("]", n), 4 + deepest},
		{"lists with text", "a = " + strings.Repeat(`["]", `, n) + strings.Repeat("]", n), 4 + 6*(deepest-1) + 1},
		{"tables", strings.Repeat("a={", n), 3 * deepest},
		{"closed tables", strings.Repeat("a={", n) + strings.Repeat("}", n), 3 * deepest},
		{"tables and keys", "x = [{" + strings.Repeat("b.b={", n), 81},
	} {
		start := time.Now()
		p := refused(t, c.text).Problems
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %s", c.name, took)
		}
		if len(p) != 1 || p[0].Line != 1 || p[0].Message != "keys, lists and tables nest more than 32 deep" {
			t.Errorf("%s: %v", c.name, p)
		} else if p[0].Column != c.column {
			t.Errorf("%s: column %d, want %d", c.name, p[0].Column, c.column)
		}
	}
}

// What looks deep in text, in comments, and over many lines, is none of it.
func TestShallowTextIsNotRefusedAsDeep(t *testing.T) {
	many := strings.Repeat("[{.", 100)
	for _, text := range []string{
		"# " + many, `a = "` + many + `"`, `a = '` + many + `'`, `a = """` + many + `"""`, "a = '''" + many + "\n''''",
		`a = "\"` + many + `"`, strings.Repeat("[a.b.c]\nd.e = 1.5 # [[[\n", 100), strings.Repeat("a.b = [[1.5], {c.d = 1}]\n", 100),
		"a = [" + strings.Repeat("[1], {b.c = 2.5},\n", 100) + "]", `"` + many + `" = 1`, strings.Repeat("[[a]]\nb.c = {d.e = 1}\n", 100),
		"a = " + strings.Repeat("1.", 100), strings.Repeat("[[rule]]\nport = [22\n", 100), `a = """` + "\\\"" + many + `"""""`,
	} {
		if i := tooDeep([]byte(text)); i >= 0 {
			t.Errorf("%s: deep at %d", text, i)
		}
	}
}

func (t *table) depth() int {
	most := 0
	for _, f := range t.fields {
		most = max(most, 1+f.value.depth())
	}
	return most
}

func (v *value) depth() int {
	most := 0
	for _, item := range v.items {
		step := 1
		if item.kind == unstable.Table {
			step = 0
		}
		most = max(most, step+item.depth())
	}
	if v.table != nil {
		most = max(most, v.table.depth())
	}
	return most
}

// Whatever the text is, no tree is deeper than the bound: what the scan takes for shallow, the libraries do, too.
func FuzzDepth(f *testing.F) {
	for _, s := range []string{"a.b = {c = [1]}", "[a.b]\nc = 'x'\n", "[[a]]\n\"b\" = \"\"\"x\"\"\"\"\n", "a = [\n[1.5], # ]\n{b = 2}]", "a = \"\\\"\"", "x = '''\n''''"} {
		f.Add(s, uint8(40))
	}
	f.Fuzz(func(t *testing.T, s string, n uint8) {
		for _, text := range []string{s, s + strings.Repeat("[", int(n)), s + strings.Repeat("a.", int(n)) + "a = 1", s + " = " + strings.Repeat("{a = ", int(n)) + "1" + strings.Repeat("}", int(n)) + "\n"} {
			file := parse("x", []byte(text))
			if file.root == nil {
				continue
			}
			if d := file.root.depth(); d > deepest {
				t.Errorf("%q is %d deep", text, d)
			}
		}
	})
}

func TestFilesThatEditorsSaveOtherwise(t *testing.T) {
	const text = "[default]\ninbound = \"block\"\n"
	load(t, "\xef\xbb\xbf"+text)
	if p := refused(t, "\xef\xbb\xbf[default]\ninbound = 5\n").Problems; len(p) != 1 || p[0].Line != 2 || p[0].Column != 11 {
		t.Error(p)
	}
	if p := refused(t, "\xef\xbb\xbfx = \n").Problems; len(p) != 1 || p[0].Line != 1 || p[0].Column != 5 {
		t.Error(p)
	}
	wide := func(little bool) string {
		out := ""
		for _, c := range text {
			if little {
				out += string(c) + "\x00"
			} else {
				out += "\x00" + string(c)
			}
		}
		return out
	}
	for _, s := range []string{wide(true), wide(false), "\xff\xfe" + wide(true), "\xfe\xff" + wide(false)} {
		p := refused(t, s).Problems
		if len(p) != 1 || fmt.Sprint(p[0].Line, p[0].Column, p[0].Message, ", ", p[0].Hint) != "1 1the file is UTF-16 text, not UTF-8, save the file as UTF-8" {
			t.Errorf("%v", p)
		}
	}
}
