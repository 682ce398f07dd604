package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// upTo repeats a piece of text, %d in it being the number of the piece, up to a size in bytes.
func upTo(size int, piece string) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		b.WriteString(strings.ReplaceAll(piece, "%d", fmt.Sprint(i)))
	}
	return b.String()
}

const (
	manyRules   = "[[rule]]\nname = \"r%d\"\naction = \"block\"\ndirection = \"in\"\n"
	manyExpects = "[[expect]]\npacket = \"in tcp -> :22\"\nverdict = \"block\"\n"
)

// bigList is a list of 20,000 ranges.
func bigList() string {
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "\"10.%d.%d.%d\",", i>>15, i>>7&255, i<<1&255)
	}
	return "[list.big]\nentries = [" + b.String() + "]\n"
}

// Whatever a megabyte says that somebody hands in to be checked, the answer is there soon. Each of these took ten seconds
// and more, for the time grew with the square of the text.
func TestHostileTextIsAnsweredSoon(t *testing.T) {
	const size = 1 << 20
	for name, text := range map[string]string{
		"rules on ports":        upTo(size, manyRules+"port = [%d, 1]\n"),
		"warnings on one line":  "rule = [" + upTo(size, `{name="a%d",action="block",direction="in",protocol="gre",interface="lo"},`) + "]\n",
		"expectations":          upTo(size/2, manyRules+"protocol = \"gre\"\n") + upTo(size/2, manyExpects),
		"failures on one line":  "expect = [" + upTo(size, `{packet="in tcp -> :22",verdict="allow"},`) + "]\n",
		"unknown rules":         upTo(size/4, manyRules) + upTo(size*3/4, manyExpects+"rule = \"x%d\"\n"),
		"unknown lists":         upTo(size/2, "[list.l%d]\nentries = []\n") + inRule("in", "remote = ["+upTo(size/2, `"@m%d",`)+"]"),
		"unknown services":      inRule("in", "port = ["+upTo(size, `"x%d",`)+"]"),
		"users":                 inRule("out", "user = ["+upTo(size, "%d,")+"]"),
		"interfaces":            inRule("in", "interface = ["+upTo(size, `"e%d",`)+"]"),
		"words of a packet":     "[[expect]]\nverdict = \"block\"\npacket = \"" + strings.Repeat("a ", size/2) + "\"\n",
		"copies of a list":      bigList() + upTo(size/2, manyRules+"remote = [\"@big\", \"192.0.2.1\"]\n"),
		"variations of a list":  bigList() + upTo(size/2, manyRules+"remote = [\"@big\", \"1.%d.0.1-1.255.255.255\"]\n"),
		"exclusions from lists": bigList() + upTo(size/2, manyRules+"remote = \"!@big\"\n"),
		"long names":            "[list." + strings.Repeat("x", size/2) + "]\n" + inRule("in", `remote = "@`+strings.Repeat("x", size/2-9)+`"`),
	} {
		start := time.Now()
		_, err := Load(rootFile, Options{Source: machine(""), Now: now, Text: &text, Control: true})
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: %s", name, took)
		}
		if err != nil && len(err.Error()) > 1<<20 {
			t.Errorf("%s: an answer of %d bytes", name, len(err.Error()))
		}
	}
}

func TestBoundsAreSaid(t *testing.T) {
	var variations strings.Builder
	for i := range 1000 {
		variations.WriteString(strings.ReplaceAll(manyRules, "%d", fmt.Sprint(i)) + fmt.Sprintf("remote = [\"@big\", \"192.0.%d.%d\"]\n", i/250, i%250))
	}
	for _, c := range []struct{ text, want, hint string }{
		{bigList() + variations.String(), "the rules of the files combine their lists to more than 8388608 ranges", "make a list"},
		{upTo(6000*60, manyRules) + strings.Repeat(manyExpects, 10_000), "there are too many expectations for so many rules: this one and those after it are not judged", "leave some out"},
	} {
		if p := refused(t, c.text).Problems; len(p) != 1 || p[0].Message != c.want || !strings.Contains(p[0].Hint, c.hint) {
			t.Errorf("%d problems, want %s: %v", len(p), c.want, p[:min(len(p), 3)])
		}
	}
	bad := refused(t, strings.Repeat("[[expect]]\npacket = \"in tcp -> :22\"\nverdict = \"allow\"\n", 3000))
	all := bad.All()
	if len(all) != most+1 || all[most-1].Line != 3*most || all[most].Message != "there are more expectations that fail after this one" || len(bad.Expectations) != 3000 {
		t.Errorf("%d problems of %d expectations, the last is %v", len(all), len(bad.Expectations), all[len(all)-1])
	}
	if w := load(t, upTo(3000*60, manyRules+"interface = \"lo\"\n")).Warnings; len(w) != most {
		t.Errorf("%d warnings", len(w))
	}
}

// Of more mistakes than are shown, those that come first in the file are.
func TestFirstMistakesAreShown(t *testing.T) {
	p := refused(t, "[log]\n"+upTo(20_000, "k%d = 1\n")).Problems
	for i, x := range p[:most] {
		if x.Key != fmt.Sprint("k", i) {
			t.Fatalf("problem %d is of %s", i, x.Key)
		}
	}
}

// A name that several files do not know has its hint all the same, as long as looking for it takes no time.
func TestHintsOfManyUnknownNames(t *testing.T) {
	text := upTo(60*100, manyRules)
	for range 100 {
		text += manyExpects + "rule = \"r4x\"\n"
	}
	for _, x := range refused(t, text).Problems {
		if !strings.HasPrefix(x.Hint, "did you mean") {
			t.Fatalf("%v: hint %q", x, x.Hint)
		}
	}
}

func TestColumnsOnALongLine(t *testing.T) {
	text := "rule = [" + strings.Repeat("{ü = 1},", 3) + "]\n"
	text = strings.ReplaceAll(text, "ü", "\"ü\"")
	_, err := Load(rootFile, Options{Source: machine(text), Now: now})
	var bad *Errors
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	var got []int
	for _, x := range bad.Problems {
		if strings.HasPrefix(x.Message, "unknown key") {
			got = append(got, x.Column)
		}
	}
	if fmt.Sprint(got) != "[10 20 30]" {
		t.Errorf("columns %v of %s", got, text)
	}
}
