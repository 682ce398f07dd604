package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// ruleText is a rule as the API takes one.
func ruleText(name, action string, port int) api.RuleEdit {
	return api.RuleEdit{TOML: strings.TrimPrefix(rule(name, action, "in", port), "\n")}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func etag(t *testing.T, c *api.Client) string {
	t.Helper()
	f, err := c.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f.ETag
}

// refusedWith wants an edit to be refused, and all to be as it was.
func refusedWith(t *testing.T, d *hosts.Daemon, status int, says, hint string, do func(*api.Client, string) (api.Edited, error)) {
	t.Helper()
	c := api.NewClient(d.Socket)
	text := read(t, d.Config)
	was, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := do(c, etag(t, c))
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != status || !strings.Contains(p.Detail, says) || !strings.Contains(p.Hint, hint) {
		t.Errorf("%+v, %#v; want %d, %s, hint %s", v, err, status, says, hint)
	}
	is, err := c.Status(t.Context())
	if err != nil || is.Generation != was.Generation || is.State != was.State {
		t.Errorf("before %+v\nafter %+v, %v", was, is, err)
	}
	if got := read(t, d.Config); got != text {
		t.Errorf("the file is another now:\n%s", got)
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet+"\n# Promised\n[[expect]]\npacket = \"in tcp 192.0.2.7 -> :23\"\nverdict = \"block\"\nrule = \"no-telnet\"\n")
	put := func(name string, r api.RuleEdit) func(*api.Client, string) (api.Edited, error) {
		return func(c *api.Client, etag string) (api.Edited, error) { return c.PutRule(t.Context(), name, r, etag) }
	}
	beside := func(r api.RuleEdit, before, after string) api.RuleEdit {
		r.Before, r.After = before, after
		return r
	}
	for _, c := range []struct {
		status     int
		says, hint string
		do         func(*api.Client, string) (api.Edited, error)
	}{
		{412, "have changed", "", func(c *api.Client, _ string) (api.Edited, error) {
			return c.PutRule(t.Context(), "web", ruleText("web", "allow", 80), `"0"`)
		}},
		{412, "have changed", "", func(c *api.Client, _ string) (api.Edited, error) {
			return c.DeleteRule(t.Context(), "no-telnet", `"0"`)
		}},
		{400, `is "web", not "wob"`, "renamed", put("wob", ruleText("web", "allow", 80))},
		{400, "not that of one rule", "[[rule]]", put("web", api.RuleEdit{TOML: "[default]\ninbound = \"allow\"\n"})},
		{404, `no rule "no-telent"`, `did you mean "no-telnet"?`, put("web", beside(ruleText("web", "allow", 80), "no-telent", ""))},
		{404, `no rule "web"`, "pfw rules", func(c *api.Client, e string) (api.Edited, error) { return c.DeleteRule(t.Context(), "web", e) }},
		{409, "rule no-telnet (" + d.Config + ":", "--before no-telnet", put("again", ruleText("again", "block", 23))},
		{409, "would never match there", "--before no-telnet", put("late", beside(ruleText("late", "allow", 23), "", "no-telnet"))},
		// Where it would stand: its [[rule]] is line 12, below no-telnet and a blank line.
		{422, d.Config + `:16:12: rule "web": protocol: `, "", put("web", api.RuleEdit{TOML: strings.Replace(ruleText("web", "allow", 80).TOML, `"tcp"`, `"tpc"`, 1)})},
		{422, d.Config + ":13:8: not valid TOML", "", put("web", api.RuleEdit{TOML: "[[rule]]\nname = web\n"})},
		{422, "expectation fails", "", put("all", beside(ruleText("all", "allow", 23), "no-telnet", ""))},
		{422, `unknown rule "no-telnet"`, "", func(c *api.Client, e string) (api.Edited, error) { return c.DeleteRule(t.Context(), "no-telnet", e) }},
	} {
		refusedWith(t, d, c.status, c.says, c.hint, c.do)
	}
	if _, err := os.Stat(d.Config + "~"); !os.IsNotExist(err) {
		t.Errorf("an old file was kept though nothing changed: %v", err)
	}
}

func TestRuleIsPutBeforeTheOneThatWouldHideIt(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	c := api.NewClient(d.Socket)
	was := read(t, d.Config)
	v, err := c.PutRule(t.Context(), "friend", ruleText("friend", "allow", 23), etag(t, c))
	if err != nil || v.Change != api.Added || v.File != d.Config || v.Generation != 2 || v.State != api.OK ||
		v.Note != "it stands before rule no-telnet, which would take all that it asks for" {
		t.Errorf("%+v, %v", v, err)
	}
	// The old rule is the one that never matches now, and that is said.
	if len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0].String(), "no-telnet can never match") {
		t.Errorf("%v", v.Warnings)
	}
	rules, err := c.Rules(t.Context(), false)
	if err != nil || len(rules.Rules) != 2 || rules.Rules[0].Name != "friend" || rules.Rules[0].Line != v.Line {
		t.Errorf("%+v, %v", rules, err)
	}
	if got := read(t, d.Config+"~"); got != was {
		t.Errorf("kept:\n%s", got)
	}
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool {
		return e.EventType == "reload" && strings.HasPrefix(e.PFW.Reason, "rule friend added: 2 rules in force")
	}); err != nil {
		t.Error(err)
	}
	v, err = c.DeleteRule(t.Context(), "friend", etag(t, c))
	if err != nil || v.Change != api.Deleted || v.Line != rules.Rules[0].Line || read(t, d.Config) != was {
		t.Errorf("%+v, %v\n%s", v, err, read(t, d.Config))
	}
	// A crash later, it is still so.
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, d)
	if rules, err = c.Rules(t.Context(), false); err != nil || len(rules.Rules) != 1 {
		t.Errorf("%+v, %v", rules, err)
	}
}

func TestOfTwoEditsAtOnceOneIsRefused(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	c := api.NewClient(d.Socket)
	match := etag(t, c)
	const n = 6
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			name := fmt.Sprintf("r%d", i)
			_, errs[i] = c.PutRule(t.Context(), name, ruleText(name, "allow", 1000+i), match)
		})
	}
	all.Wait()
	done := 0
	for _, err := range errs {
		var p *api.Problem
		switch {
		case err == nil:
			done++
		case !errors.As(err, &p) || p.Status != http.StatusPreconditionFailed:
			t.Error(err)
		}
	}
	if got := strings.Count(read(t, d.Config), "[[rule]]"); done != 1 || got != 2 {
		t.Errorf("%d edits were done, and there are %d rules", done, got)
	}
}

// Rules may lie in several files; whichever it is, the ETag covers it.
func TestEditsInFirewallD(t *testing.T) {
	d := hosts.Prepare(t, hosts.New(t, "local"), telnet)
	more := filepath.Join(filepath.Dir(d.Config), "firewall.d", "20.toml")
	if err := os.Mkdir(filepath.Dir(more), 0o755); err != nil {
		t.Fatal(err)
	}
	const own = "# theirs\n\n# on ssh\n[[rule]]\nname = \"ssh\"\naction = \"allow\"\ndirection = \"in\"\nport = 22 # here\n"
	if err := os.WriteFile(more, []byte(own), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(more, 1234, 4321); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, os.ErrPermission) {
		t.Fatal(err)
	}
	before, err := os.Stat(more)
	if err != nil {
		t.Fatal(err)
	}
	start(t, d)
	c := api.NewClient(d.Socket)
	f, err := c.Config(t.Context())
	if err != nil || len(f.More) != 1 || f.More[0].File != more || f.More[0].Text != own {
		t.Fatalf("%+v, %v", f, err)
	}
	r := ruleText("web", "allow", 80)
	r.Before = "ssh"
	v, err := c.PutRule(t.Context(), "web", r, f.ETag)
	if err != nil || v.File != more || v.Line != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	if got, want := read(t, more), strings.Replace(own, "# on ssh", r.TOML+"\n# on ssh", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	after, err := os.Stat(more)
	if err != nil || after.Mode() != before.Mode() || after.Sys().(*syscall.Stat_t).Uid != before.Sys().(*syscall.Stat_t).Uid ||
		after.Sys().(*syscall.Stat_t).Gid != before.Sys().(*syscall.Stat_t).Gid {
		t.Errorf("before %+v, after %+v, %v", before, after, err)
	}
	if read(t, more+"~") != own {
		t.Error("the old file is not kept")
	}
	if _, err = c.DeleteRule(t.Context(), "ssh", f.ETag); err == nil {
		t.Error("the ETag of before is taken")
	}
	move := ruleText("no-telnet", "block", 23)
	move.After = "ssh"
	refusedWith(t, d, 409, `rule "no-telnet" is in `+d.Config+`, and "ssh" in `+more, "delete it", func(c *api.Client, e string) (api.Edited, error) {
		return c.PutRule(t.Context(), "no-telnet", move, e)
	})
	if v, err = c.DeleteRule(t.Context(), "ssh", etag(t, c)); err != nil || v.File != more || read(t, more) != "# theirs\n\n"+r.TOML {
		t.Errorf("%+v, %v\n%s", v, err, read(t, more))
	}
}

func TestEditsStayWithinTheDirectory(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	dir := filepath.Dir(d.Config)
	elsewhere := filepath.Join(t.TempDir(), "firewall.toml")
	text := read(t, d.Config)
	link := func(target string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, target), []byte(text), 0o600); target != "" && !filepath.IsAbs(target) && err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(d.Config), os.Symlink(target, d.Config)); err != nil {
			t.Fatal(err)
		}
	}
	c := api.NewClient(d.Socket)
	match := etag(t, c)
	// Within, it is followed.
	link("real.toml")
	if _, err := c.PutRule(t.Context(), "web", ruleText("web", "allow", 80), match); err != nil {
		t.Error(err)
	}
	if got := read(t, filepath.Join(dir, "real.toml")); !strings.Contains(got, "web") || read(t, filepath.Join(dir, "real.toml~")) != text {
		t.Errorf("the link's target is\n%s", got)
	}
	if to, err := os.Readlink(d.Config); err != nil || to != "real.toml" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	// Without, it is neither shown nor edited.
	if err := os.WriteFile(elsewhere, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	link(elsewhere)
	for what, do := range map[string]func() error{
		"read": func() error { _, err := c.Config(t.Context()); return err },
		"edit": func() error { _, err := c.DeleteRule(t.Context(), "no-telnet", match); return err },
	} {
		var p *api.Problem
		if err := do(); !errors.As(err, &p) || p.Status != 409 || !strings.Contains(p.Detail, "link to somewhere else") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if read(t, elsewhere) != text {
		t.Error("the file elsewhere was edited")
	}
}

func TestEditOfADirectoryThatCannotBeWritten(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	dir := filepath.Dir(d.Config)
	if err := errors.Join(unix.Mount(dir, dir, "", unix.MS_BIND, ""), unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	refusedWith(t, d, 500, "install rule file: ", "let user pfw write to "+dir, func(c *api.Client, etag string) (api.Edited, error) {
		return c.PutRule(t.Context(), "web", ruleText("web", "allow", 80), etag)
	})
}

// What cannot be put in force does not stay in the file.
func TestEditThatFailsIsTakenBack(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	// Somebody has named a directory where an audit log should be: the sinks of the next policy cannot be opened.
	was := strings.Replace(read(t, d.Config), d.Log, d.Dir, 1)
	if err := os.WriteFile(d.Config, []byte(was), 0o600); err != nil {
		t.Fatal(err)
	}
	c := api.NewClient(d.Socket)
	v, err := c.PutRule(t.Context(), "web", ruleText("web", "allow", 80), etag(t, c))
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != 500 {
		t.Errorf("%+v, %v", v, err)
	}
	if got := read(t, d.Config); got != was {
		t.Errorf("left in the file:\n%s", got)
	}
	rules, err := c.Rules(t.Context(), false)
	if err != nil || len(rules.Rules) != 1 {
		t.Errorf("%+v, %v", rules, err)
	}
	if s, err := c.Status(t.Context()); err != nil || slices.ContainsFunc(s.Faults, func(f api.Fault) bool { return strings.Contains(f.What, "rule file") }) {
		t.Errorf("the rule file is said to be at fault: %+v, %v", s.Faults, err)
	}
}

// Whenever pfwd is killed, the file is the old one or the new one, and a start takes it.
func TestCrashInTheMidstOfAnEditLeavesAWholeFile(t *testing.T) {
	d := hosts.Run(t, hosts.New(t, "local"), telnet)
	was := read(t, d.Config)
	is := was + strings.Replace(ruleText("web", "allow", 80).TOML, "[[rule]]", "\n[[rule]]", 1)
	var old, new int
	for i := range 8 {
		c := api.NewClient(d.Socket)
		match := etag(t, c)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			// Whether it is answered is not what this is about.
			_, _ = c.PutRule(context.WithoutCancel(t.Context()), "web", ruleText("web", "allow", 80), match)
		}()
		time.Sleep(rand.N(time.Duration(4*(i+1)) * time.Millisecond))
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		switch got := read(t, d.Config); got {
		case was:
			old++
		case is:
			new++
		default:
			t.Fatalf("neither old nor new:\n%s", got)
		}
		if err := os.WriteFile(d.Config, []byte(was), 0o644); err != nil {
			t.Fatal(err)
		}
		start(t, d)
	}
	t.Logf("%d old, %d new", old, new)
}
