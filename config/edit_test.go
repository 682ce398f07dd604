package config

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func fileOf(text string) RuleFile { return RuleFile{Path: rootFile, Text: text} }

const shortRule = "[[rule]]\nname = \"new\"\naction = \"block\"\ndirection = \"in\"\n"

// Where a new rule goes, what goes with one that is deleted, and what stays.
func TestEdits(t *testing.T) {
	rule := func(name string) string { return strings.Replace(shortRule, "new", name, 1) }
	a, b := rule("a"), rule("b")
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	put := func(at Place) func(RuleFile) (string, error) {
		return func(f RuleFile) (string, error) { return f.Put("new", shortRule, at) }
	}
	replace := func(name, text string) func(RuleFile) (string, error) {
		return func(f RuleFile) (string, error) { return f.Put(name, text, Place{}) }
	}
	remove := func(name string) func(RuleFile) (string, error) {
		return func(f RuleFile) (string, error) { return f.Delete(name) }
	}
	for _, c := range []struct {
		what, text string
		edit       func(RuleFile) (string, error)
		want       string
	}{
		{"an empty file", "", put(Place{}), shortRule},
		{"a file without rules", "[default]\ninbound = \"block\"\n\n\n", put(Place{}), "[default]\ninbound = \"block\"\n\n" + shortRule + "\n\n"},
		{"a file of comments", "# mine", put(Place{}), "# mine\n\n" + strings.TrimSuffix(shortRule, "\n")},
		{"the end of the rules, not of the file", a + "\n[log]\nkeep = 1\n", put(Place{}), a + "\n" + shortRule + "\n[log]\nkeep = 1\n"},
		{"no final line end", strings.TrimSuffix(a, "\n"), put(Place{}), a + "\n" + strings.TrimSuffix(shortRule, "\n")},
		{"line ends of Windows", crlf(a), put(Place{}), crlf(a + "\n" + shortRule)},
		{"a byte order mark", "\ufeff" + a, put(Place{Before: "a"}), "\ufeff" + shortRule + "\n" + a},
		{"no blank lines", a + b, put(Place{After: "a"}), a + shortRule + b},
		{"no blank lines", "[log]\n" + a, put(Place{}), "[log]\n" + a + shortRule},
		{"before a comment", a + "\n# on b\n" + b, put(Place{Before: "b"}), a + "\n" + shortRule + "\n# on b\n" + b},
		{"after a comment", a + "# remote = \"@lan\"\n\n" + b, put(Place{After: "a"}), a + "# remote = \"@lan\"\n\n" + shortRule + "\n" + b},
		{"before a comment that is of nobody", a + "\n# part two\n\n" + b, put(Place{After: "a"}), a + "\n" + shortRule + "\n# part two\n\n" + b},
		{"tables of a rule", a + "[rule.schedule]\ndays = \"mon\" # or not\n\n" + b, put(Place{After: "a"}), a + "[rule.schedule]\ndays = \"mon\" # or not\n\n" + shortRule + "\n" + b},

		{"the only rule", a, remove("a"), ""},
		{"a comment above", "# on a\n" + a + "\n" + b, remove("a"), b},
		{"a comment of nobody", a + "\n# part two\n\n" + b, remove("b"), a + "\n# part two\n"},
		{"a comment of nobody", "# part one\n\n" + a + "\n" + b, remove("a"), "# part one\n\n" + b},
		{"a comment of the next", a + "# on b\n" + b, remove("a"), "# on b\n" + b},
		{"the last, no final line end", a + "\n" + strings.TrimSuffix(b, "\n"), remove("b"), strings.TrimSuffix(a, "\n")},
		{"a comment below", a + "# remote = \"@lan\"\n\n" + b, remove("a"), b},
		{"tables of a rule", a + "[rule.schedule]\ndays = [\n  \"mon\", # [[rule]]\n]\n\n" + b, remove("a"), b},
		{"two blank lines", a + "\n\n" + shortRule + "\n\n" + b, remove("new"), a + "\n\n" + b},

		{"in place", a + "\n# on b\n  " + b + "port = 22 # ssh\n\n[log]\n", replace("b", b+"port = 23"), a + "\n# on b\n  " + b + "port = 23\n\n[log]\n"},
		{"in place, with a comment", a + "\n# on b\n" + b + "\n[log]\n", replace("b", "\n# new\n"+b+"# end\n\n"), a + "\n# new\n" + b + "# end\n\n[log]\n"},
		{"a comment is not given to the next", a + b, replace("a", a+"# end\n"), a + "# end\n\n" + b},
		{"line ends of Windows", crlf(a + "\n" + b), replace("a", a+"port = 5\n"), crlf(a + "port = 5\n\n" + b)},
		{"without its name", a, func(f RuleFile) (string, error) {
			return f.Put("b", "# new\n[[rule]] # b\naction = \"block\"\n", Place{})
		}, a + "\n# new\n[[rule]] # b\nname = \"b\"\naction = \"block\"\n"},
		{"without its header", a, func(f RuleFile) (string, error) {
			return f.Put("b", "action = \"block\"\ndirection = \"in\"", Place{})
		}, a + "\n[[rule]]\nname = \"b\"\naction = \"block\"\ndirection = \"in\"\n"},
		{"with nothing but its header", a, func(f RuleFile) (string, error) { return f.Put("b", "[[rule]]", Place{}) }, a + "\n[[rule]]\nname = \"b\"\n"},
		{"moved", a + "\n# on b\n" + b, func(f RuleFile) (string, error) { return f.Put("b", b, Place{Before: "a"}) }, "# on b\n" + b + "\n" + a},
	} {
		text, err := c.edit(fileOf(c.text))
		// An indent before [[rule]] is not of the rule.
		c.want = strings.ReplaceAll(c.want, "  [[", "[[")
		if diff := cmp.Diff(c.want, text); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.what, err, diff)
		}
	}
}

func TestEditsThatChangeNothing(t *testing.T) {
	a := inRule("in", "")
	for _, c := range []struct {
		what, text, rule string
		at               Place
		reason           EditReason
		says             string
	}{
		{"a list in brackets", `rule = [{name = "a", action = "block", direction = "in"}]`, shortRule, Place{}, NotEditable, "line 1"},
		{"a rule in it", `rule = [{name = "new", action = "block", direction = "in"}]`, shortRule, Place{}, NotEditable, "does not write its rules as [[rule]]"},
		{"no such rule", a, shortRule, Place{Before: "b"}, NoSuchRule, `there is no rule "b"`},
		{"tables that stand apart", a + "[log]\n[rule.schedule]\ndays = \"mon\"\n", shortRule, Place{}, NotEditable, "apart"},
		{"the same, somewhere else", a + "[log]\n[rule.schedule]\ndays = \"mon\"\n", shortRule, Place{After: "a"}, NotEditable, "apart"},
		{"a name that is there twice", shortRule + shortRule, shortRule, Place{}, NotEditable, "two rules"},
		{"another name", a, strings.Replace(shortRule, "new", "old", 1), Place{}, NotOneRule, `"old", not "new"`},
		{"two rules", a, shortRule + "[[rule]]\n", Place{}, NotOneRule, "one rule"},
		{"another table", a, shortRule + "[default]\ninbound = \"allow\"\n", Place{}, NotOneRule, "one rule"},
		{"no rule", a, "[default]\ninbound = \"allow\"\n", Place{}, NotOneRule, "one rule"},
		{"nothing but a comment", a, "# new\n", Place{}, NotOneRule, "one rule"},
		{"nothing", a, " \n", Place{}, NotOneRule, "one rule"},
		{"a rule in brackets", a, `rule = [{name = "new"}]`, Place{}, NotOneRule, "one rule"},
	} {
		text, err := fileOf(c.text).Put("new", c.rule, c.at)
		var bad *EditError
		if !errors.As(err, &bad) || bad.Reason != c.reason || !strings.Contains(bad.Message, c.says) || text != "" {
			t.Errorf("%s: %q, %v", c.what, text, err)
		}
	}
	if _, err := fileOf("a = ").Put("new", shortRule, Place{}); !errors.As(err, new(*Errors)) {
		t.Errorf("a file that is no TOML: %v", err)
	}
}

// Text that is no TOML is shown where it would stand; also one that would be some only by what stands around it.
func TestRuleThatIsNoTOMLIsPlacedInTheFile(t *testing.T) {
	text := inRule("in", "comment = \"\"\"x\"\"\"") + "\n" + strings.Replace(inRule("in", ""), `"a"`, `"b"`, 1)
	for _, c := range []struct {
		rule, want string
		at         Place
	}{
		{"[[rule]]\nname = \"new\"\naction = allow\n", "14:10", Place{}},
		{"[[rule]]\nname = new\n", "2:8", Place{Before: "a"}},
		{"[[rule]]\nname = \"new\"\ncomment = \"\"\"\n", "9:14", Place{After: "a"}},
	} {
		_, err := fileOf(text).Put("new", c.rule, c.at)
		var bad *Errors
		if !errors.As(err, &bad) || !strings.HasPrefix(bad.Error(), rootFile+":"+c.want+":") {
			t.Errorf("%q: %v", c.rule, err)
		}
	}
}

func TestEnabled(t *testing.T) {
	shipped, err := os.ReadFile("../firewall.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, text, name string
		on               bool
		from, to         string
	}{
		{"shipped", string(shipped), "web", true, "enabled   = false       # true", "enabled   = true       # true"},
		{"shipped", string(shipped), "ssh", false, "name      = \"ssh\"\n", "name      = \"ssh\"\nenabled   = false\n"},
		{"shipped", string(shipped), "ssh", true, "", ""},
		{"terse", "[[rule]]\n\tname=\"a\" # x\n\taction=\"block\"\n", "a", false, "# x\n", "# x\n\tenabled=false\n"},
		{"Windows", "[[rule]]\r\nname = \"a\"\r\n", "a", false, "\"a\"\r\n", "\"a\"\r\nenabled = false\r\n"},
		{"no final line end", "[[rule]]\nname = \"a\"", "a", false, "\"a\"", "\"a\"\nenabled = false"},
		{"in words", "[[rule]]\nname = '''a'''\nenabled=true", "a", false, "=true", "=false"},
		{"both line ends", "[log]\n[[rule]]\r\nname = \"a\"\r\nport = 5\nenabled = true\r\n", "a", false, "= true", "= false"},
	} {
		f := fileOf(c.text)
		rule, changed, err := f.Enabled(c.name, c.on)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		text, err := f.Put(c.name, rule, Place{})
		if diff := cmp.Diff(strings.Replace(c.text, c.from, c.to, 1), text); err != nil || diff != "" || changed != (c.from != "") {
			t.Errorf("%s: %v, %v\n%s", c.what, changed, err, diff)
		}
	}
	if _, _, err := fileOf("[[rule]]\nname = \"a\"\nenabled = 1\n").Enabled("a", true); err == nil {
		t.Error("a number was taken")
	}
}
