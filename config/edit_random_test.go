package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// piece is a part of a rule file that an edit of another part leaves as it is. name is the rule's, "" for all else.
type piece struct{ name, lead, body string }

func (p piece) text() string { return p.lead + p.body }

// drawRule writes a rule as people do, and as people do not.
func drawRule(t *rapid.T, name string) piece {
	pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "layout") }
	lead := pick("", "", "# on "+name+"\n", "# [[rule]] name = \"x\"\n  # more\n")
	lines := []string{pick("name = %q", "name      = %q", "name=%q # its name", "\t\"name\" = %q")}
	lines[0] = fmt.Sprintf(lines[0], name)
	for _, line := range []string{
		"action = \"block\"", "direction = \"in\"",
		pick("", "", "# a line between", "\n# between blank lines\n"),
		pick("", "port = [\n  22, # ssh ]\n  80,\n]", "port = [22, 80]", "protocol = '''tcp'''"),
		pick("", "comment = \"[[rule]]\"", "comment = \"# \\\"[\"", "comment = \"\"\"\\\n    over lines \\\n  \"\"\" # \"", "log = false"),
		pick("", "", "enabled = true # for now", "enabled=false"),
		pick("", "", "schedule = { days = \"mon\" }", "  [rule.schedule] # when\n  days = [\"mon\",\n  \"tue\"]"),
	} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	for strings.HasSuffix(strings.TrimSpace(lines[len(lines)-1]), "# between blank lines") {
		lines = lines[:len(lines)-1]
	}
	header := pick("[[rule]]", "[[rule]]", "[[ rule ]]", "[[\"rule\"]] # a rule", "[[rule]]\t")
	return piece{name, lead, header + "\n" + strings.Join(lines, "\n")}
}

// drawFile writes a rule file of pieces, each apart from the next by some blank lines.
func drawFile(t *rapid.T) (pieces []piece, text string) {
	others := []string{
		"[default]\ninbound = \"block\"", "[log]\nkeep = 3 # [log]", "# a comment of nobody", "[list.a]\nentries = [ # \"\n \"10.0.0.0/8\" ]",
		"[[expect]]\npacket = \"in tcp 192.0.2.7 -> :1\"\nverdict = \"block\"", "[list]\nb.entries = []",
	}
	n := rapid.IntRange(0, 4).Draw(t, "rules")
	for i := range n {
		pieces = append(pieces, drawRule(t, fmt.Sprintf("r%d", i)))
	}
	for _, other := range rapid.SliceOfNDistinct(rapid.SampledFrom(others), 0, 3, rapid.ID[string]).Draw(t, "others") {
		at := rapid.IntRange(0, len(pieces)).Draw(t, "at")
		pieces = slices.Insert(pieces, at, piece{body: other})
	}
	text = rapid.SampledFrom([]string{"", "", "\n", "\n\n"}).Draw(t, "start")
	dense := rapid.Bool().Draw(t, "dense")
	for i, p := range pieces {
		gaps := []string{"\n\n", "\n\n\n", "\n  \n"}
		if dense && !strings.HasPrefix(p.body, "#") && !strings.HasSuffix(p.body, "# a line between") && (i+1 == len(pieces) || !strings.HasPrefix(pieces[i+1].body, "#")) {
			gaps = []string{"\n"}
		}
		if i+1 == len(pieces) {
			gaps = []string{"\n", "\n", "", "\n\n"}
		}
		text += p.text() + rapid.SampledFrom(gaps).Draw(t, "gap")
	}
	if rapid.Bool().Draw(t, "Windows") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
		for i := range pieces {
			pieces[i].lead, pieces[i].body = strings.ReplaceAll(pieces[i].lead, "\n", "\r\n"), strings.ReplaceAll(pieces[i].body, "\n", "\r\n")
		}
	}
	if rapid.Bool().Draw(t, "marked") {
		text = "\ufeff" + text
	}
	return pieces, text
}

// madeOf wants a text to be these pieces in this order, with nothing but blank lines between.
func madeOf(t *rapid.T, before, text string, pieces []piece) {
	t.Helper()
	rest := strings.TrimPrefix(text, "\ufeff")
	if marked := strings.HasPrefix(before, "\ufeff"); marked != (rest != text) {
		t.Fatalf("byte order mark: %q", text)
	}
	for _, p := range pieces {
		var ok bool
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest, ok = strings.CutPrefix(rest, strings.TrimLeft(p.text(), " \t")); !ok {
			t.Fatalf("before\n%q\nafter\n%q\nwhich has not in its place\n%q", before, text, p.text())
		}
	}
	if strings.TrimSpace(rest) != "" {
		t.Fatalf("before\n%q\nafter\n%q\nwhich has more at its end", before, text)
	}
}

// meaning is what a file says, rule by rule.
func meaning(t *rapid.T, text string) (order []string, rules map[string]string) {
	t.Helper()
	c, err := Load(rootFile, Options{Source: machine(text), Now: now})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	rules = map[string]string{}
	for _, r := range c.Policy.Rules() {
		order = append(order, string(r.Name))
		rules[string(r.Name)] = fmt.Sprint(r.Text(), r.Comment, r.Disabled, r.Log, r.Severity)
	}
	return order, rules
}

func indexOf(pieces []piece, name string) int {
	return slices.IndexFunc(pieces, func(p piece) bool { return p.name == name })
}

// One edit after another: what was not edited is the same to the byte, what was edited says what was asked.
func TestRandomEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces, text := drawFile(t)
		for n := range rapid.IntRange(1, 4).Draw(t, "edits") {
			var names []string
			for _, p := range pieces {
				if p.name != "" {
					names = append(names, p.name)
				}
			}
			eol := "\n"
			if strings.Contains(text, "\r\n") {
				eol = "\r\n"
			}
			order, rules := meaning(t, text)
			before := text
			kinds := []string{"add"}
			if len(names) > 0 {
				kinds = []string{"add", "add beside", "replace", "delete", "enable", "move"}
			}
			kind := rapid.SampledFrom(kinds).Draw(t, "edit")
			var name string
			if kind != "add" && len(names) > 0 {
				name = rapid.SampledFrom(names).Draw(t, "name")
			}
			var err error
			switch kind {
			case "add", "add beside":
				added := drawRule(t, fmt.Sprintf("n%d", n))
				added.lead, added.body = strings.ReplaceAll(added.lead, "\n", eol), strings.ReplaceAll(added.body, "\n", eol)
				at := Place{}
				index := len(pieces)
				for i, p := range pieces {
					if p.name != "" {
						index = i + 1
					}
				}
				if kind == "add beside" {
					index = indexOf(pieces, name)
					if at.Before = name; rapid.Bool().Draw(t, "after") {
						at = Place{After: name}
						index++
					}
				}
				text, err = fileOf(before).Put(added.name, added.text(), at)
				// A comment at its end is kept from what is right below it by a blank line, which stays.
				if err == nil && !strings.HasSuffix(added.body, "# a line between") {
					back, err := fileOf(text).Delete(added.name)
					if err != nil || emptied(back) != emptied(before) {
						t.Fatalf("%v\nbefore\n%q\nput and deleted\n%q", err, before, back)
					}
				}
				pieces = slices.Insert(slices.Clone(pieces), index, added)
			case "replace":
				next := drawRule(t, name)
				next.lead, next.body = strings.ReplaceAll(next.lead, "\n", eol), strings.ReplaceAll(next.body, "\n", eol)
				text, err = fileOf(before).Put(name, next.text(), Place{})
				i := indexOf(pieces, name)
				if next.lead == "" {
					next.lead = pieces[i].lead
				}
				pieces = slices.Clone(pieces)
				pieces[i] = next
			case "delete":
				text, err = fileOf(before).Delete(name)
				i := indexOf(pieces, name)
				pieces = slices.Delete(slices.Clone(pieces), i, i+1)
			case "enable":
				on := rapid.Bool().Draw(t, "on")
				rule, changed, e := fileOf(before).Enabled(name, on)
				if e != nil {
					t.Fatal(e)
				}
				text, err = fileOf(before).Put(name, rule, Place{})
				if changed != (text != before) {
					t.Fatalf("changed %t\n%q\n%q", changed, before, text)
				}
				i := indexOf(pieces, name)
				pieces = slices.Clone(pieces)
				pieces[i].body = strings.TrimRight(rule, "\r\n")
			case "move":
				to := rapid.SampledFrom(names).Draw(t, "to")
				if to == name {
					continue
				}
				i := indexOf(pieces, name)
				moved := pieces[i]
				pieces = slices.Delete(slices.Clone(pieces), i, i+1)
				pieces = slices.Insert(pieces, indexOf(pieces, to), moved)
				text, err = fileOf(before).Put(name, moved.body, Place{Before: to})
			}
			if err != nil {
				t.Fatalf("%s\n%v", before, err)
			}
			madeOf(t, before, text, pieces)
			after, say := meaning(t, text)
			if want := namesOf(pieces); !slices.Equal(after, want) {
				t.Fatalf("%s: before %v, after %v, want %v", kind, order, after, want)
			}
			for n, was := range rules {
				if is, there := say[n]; n != name && is != was || n != name && !there {
					t.Fatalf("rule %s: before %q, after %q", n, was, is)
				}
			}
		}
	})
}

var blanks = regexp.MustCompile(`(?m)^(\x{feff}?)[ \t]+(\r?)$`)

// emptied makes blank lines alike: which of two is taken away is all the same.
func emptied(text string) string { return blanks.ReplaceAllString(text, "$1$2") }

func namesOf(pieces []piece) (out []string) {
	for _, p := range pieces {
		if p.name != "" {
			out = append(out, p.name)
		}
	}
	return out
}

// Whatever the texts are: an edit is refused, or changes nothing but its rule.
func FuzzEdit(f *testing.F) {
	shipped, err := os.ReadFile("../firewall.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped), "[[rule]]\nname = \"ssh\"\n", "ssh", "web", "")
	f.Add("[[rule]]\nname = \"a\"\n[rule.x]\n[y]\n[rule.z]", shortRule, "new", "", "a")
	f.Add("rule = [{name = \"a\"}]", shortRule, "a", "", "")
	f.Add("a = \"\"\"\n[[rule]]\n\"\"\"", "# c\r\n"+shortRule+"# d", "new", "", "")
	f.Fuzz(func(t *testing.T, text, rule, name, before, after string) {
		r := fileOf(text)
		if put, err := r.Put(name, rule, Place{before, after}); err == nil {
			told, err := fileOf(put).Names()
			if err != nil || !slices.Contains(told, name) {
				t.Errorf("%q: %v, %v", put, told, err)
			}
			was, err := r.Names()
			if err == nil && !slices.Contains(was, name) {
				if back, err := fileOf(put).Delete(name); err != nil {
					t.Errorf("%q: %v", put, err)
				} else if squeezed(back) != squeezed(text) {
					t.Errorf("before %q, put %q, deleted %q", text, put, back)
				}
			}
		}
		if deleted, err := r.Delete(name); err == nil && !isCutOf(text, deleted) {
			t.Errorf("%q: %q", text, deleted)
		}
		if rule, _, err := r.Enabled(name, false); err == nil {
			if _, err := r.Put(name, rule, Place{}); err != nil {
				t.Errorf("%q: %v", rule, err)
			}
		}
	})
}

// squeezed leaves out what may differ after a put and a delete in files of both kinds of line ends.
func squeezed(s string) string { return strings.Join(strings.Fields(s), " ") }

// isCutOf tells whether a text is another one less one piece.
func isCutOf(whole, cut string) bool {
	n := 0
	for n < len(cut) && whole[n] == cut[n] {
		n++
	}
	return len(cut) < len(whole) && strings.HasSuffix(whole[n:], cut[n:])
}
