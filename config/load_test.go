package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pfw/config/policy"
)

// shape is what can be compared of a Config: the rules as a person reads them, and all else as it is.
func shape(t *testing.T, c *Config) string {
	t.Helper()
	var b strings.Builder
	for _, r := range c.Policy.Rules() {
		b.WriteString(string(r.Name) + " " + r.Text() + " " + r.Origin.File + "\n")
	}
	data, err := json.MarshalIndent([]any{c.Lists, c.Expectations, c.Warnings, c.Sinks, c.Policy.Defaults().Inbound, c.Policy.Log()}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b.Write(data)
	return b.String()
}

func TestInstalledExample(t *testing.T) {
	c, err := Load("../firewall.toml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 || len(c.Expectations) == 0 || len(c.Policy.Rules()) < 7 {
		t.Errorf("%v %v %v", c.Warnings, c.Expectations, c.Policy.Rules())
	}
	for packet, want := range map[string]policy.Verdict{
		"in tcp 203.0.113.7 -> :22": policy.Allow, "in tcp 203.0.113.7 -> :80": policy.Block, "out tcp -> 203.0.113.7:443": policy.Allow,
		"out tcp -> 203.0.113.7:23": policy.Reject, "in icmp/echo-request 192.168.1.2 ->": policy.Allow, "in icmpv6/echo-request fe80::1 ->": policy.Allow,
		"in icmp/echo-request 203.0.113.7 ->": policy.Block, "in udp 192.168.1.2:5353 -> 224.0.0.251:5353": policy.Allow,
	} {
		f, err := ParsePacket(packet, Disk(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if d := c.Policy.Decide(f); d.Verdict != want {
			t.Errorf("%s: %s by %s, want %s", packet, d.Verdict, d.By, want)
		}
	}
}

func TestFilesOfFirewallD(t *testing.T) {
	rule := func(name string) string { return strings.Replace(inRule("in", ""), `"a"`, `"`+name+`"`, 1) }
	const d = "/etc/pfw/firewall.d/"
	c := load(t, rule("z"), d+"20.toml", rule("c"), d+"10.toml", rule("b")+rule("a"), d+"README", "no rules")
	var names []string
	for _, r := range c.Policy.Rules() {
		names = append(names, string(r.Name))
	}
	if got := strings.Join(names, " "); got != "z b a c" {
		t.Errorf("order %s", got)
	}
	for _, x := range []struct{ text, want string }{
		{rule("z"), d + `x.toml:2:8: rule "z": name: name "z" is taken: the rule at /etc/pfw/firewall.toml:1 has it`},
		{"[default]\ninbound = \"block\"", d + `x.toml:1:1: [default] belongs in firewall.toml`},
		{"[log]", d + `x.toml:1:1: [log] belongs in firewall.toml`},
		{"[list.a]\nentries = []\n", d + `x.toml:1:1: [list.a]: the list is there twice (first at /etc/pfw/firewall.toml:6)`},
	} {
		p := refused(t, rule("z")+"[list.a]\nentries = []\n", d+"x.toml", x.text).Problems
		if len(p) != 1 || p[0].String() != x.want {
			t.Errorf("%v, want %s", p, x.want)
		}
	}
}

func TestExpectations(t *testing.T) {
	const rules = `
[[rule]]
name = "ssh"
action = "allow"
direction = "in"
protocol = "tcp"
port = 22
remote = "@lan"
[[rule]]
name = "night"
action = "allow"
direction = "in"
protocol = "tcp"
port = 80
schedule = { days = ["sat"], from = "22:00", to = "06:00" }
`
	expect := func(lines ...string) string { return "[[expect]]\n" + strings.Join(lines, "\n") + "\n" }
	for _, c := range []struct{ packet, verdict, rule, by string }{
		{"in tcp 192.168.1.20 -> :22", "allow", "", "ssh"},
		{"in tcp 192.168.1.20 -> :22", "allow", "ssh", "ssh"},
		{"in tcp 8.8.8.8 -> :22", "block", "default", "default"},
		{"in tcp 8.8.8.8 -> :80", "block", "", "default"},
		{"in tcp 8.8.8.8 -> :80 at 2026-11-21 23:00", "allow", "night", "night"},
		{"in tcp 8.8.8.8 -> :80 on lo", "allow", "loopback", "loopback"},
		{"in igmp 8.8.8.8 ->", "allow", "igmp", "igmp"},
	} {
		lines := []string{`packet = "` + c.packet + `"`, `verdict = "` + c.verdict + `"`}
		if c.rule != "" {
			lines = append(lines, `rule = "`+c.rule+`"`)
		}
		want := Expectation{Packet: c.packet, Want: c.verdict, Got: c.verdict, Rule: c.by, OK: true, File: rootFile, Line: 16}
		got := load(t, rules+expect(lines...)).Expectations
		if len(got) != 1 || got[0] != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	for _, c := range []struct{ lines, want, hint string }{
		{"packet = \"in tcp 8.8.8.8 -> :22\"\nverdict = \"allow\"", `18:11: [[expect]] verdict: expectation fails: "in tcp 8.8.8.8 -> :22": want allow, got block by default`, "no rule matches"},
		{"packet = \"in tcp 10.0.0.1 -> :22\"\nverdict = \"block\"", `18:11: [[expect]] verdict: expectation fails: "in tcp 10.0.0.1 -> :22": want block, got allow by rule "ssh" (/etc/pfw/firewall.toml:2)`, "rule ssh allows tcp port 22"},
		{"packet = \"in tcp 10.0.0.1 -> :22\"\nverdict = \"allow\"\nrule = \"night\"", `19:8: [[expect]] rule: expectation fails: "in tcp 10.0.0.1 -> :22": want allow by night, got allow by rule "ssh" (/etc/pfw/firewall.toml:2)`, ""},
	} {
		bad := refused(t, rules+expect(c.lines))
		all := bad.All()
		if !bad.ExpectationOnly() || len(all) != 1 || place(all[0]) != c.want || !strings.Contains(all[0].Hint, c.hint) {
			t.Errorf("got %v (%s)\nwant %s", all, all[0].Hint, c.want)
		}
		if len(bad.Expectations) != 1 || bad.Expectations[0].OK {
			t.Errorf("%+v", bad.Expectations)
		}
		if !strings.Contains(bad.Error(), c.want) {
			t.Errorf("the text lacks it: %s", bad.Error())
		}
	}
}

func TestTextInPlaceOfTheFile(t *testing.T) {
	text := inRule("in", `remote = "@x"`)
	c, err := Load(rootFile, Options{Source: machine("[[broken", "/etc/pfw/firewall.d/a.toml", "[list.x]\nfile = \"x\"", "/etc/pfw/firewall.d/x", "10.0.0.1"), Text: &text})
	if err != nil {
		t.Fatal(err)
	}
	if c.Policy.Rule("a").Origin.File != rootFile || c.Lists[0].Entries != 1 {
		t.Errorf("%+v", c.Lists)
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "firewall.toml"), Options{})
	var bad *Errors
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
	for _, path := range []string{t.TempDir()} {
		if _, err := Load(path, Options{}); err == nil || errors.As(err, &bad) {
			t.Errorf("a directory: %v", err)
		}
	}
}

func TestSnapshotNeedsNothingFromOutside(t *testing.T) {
	src := machine(inRule("out", "user = \"alice\"\nprotocol = \"udp\"\nport = \"example\"\nremote = [\"@x\", \"!@lan\"]")+
		"[[expect]]\npacket = \"out udp -> 192.0.2.1:example user alice\"\nverdict = \"block\"\n",
		"/etc/pfw/firewall.d/a.toml", "[list.x]\nfile = \"../x.txt\"\n", "/etc/pfw/x.txt", "192.0.2.0/24\n8.8.8.8/8\n", "/etc/pfw/firewall.d/unread", "x")
	c, err := Load(rootFile, Options{Source: src, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Snapshot.Save(&b); err != nil {
		t.Fatal(err)
	}
	saved := b.Bytes()
	s, err := ReadSnapshot(bytes.NewReader(saved))
	if err != nil {
		t.Fatal(err)
	}
	if s.Path() != rootFile {
		t.Errorf("path %s", s.Path())
	}
	again, err := Load(s.Path(), Options{Source: s, Now: now, Control: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(shape(t, c), shape(t, again)); d != "" {
		t.Error(d)
	}
	// The same of the same: a load from a snapshot has a snapshot, too.
	b.Reset()
	if err := again.Snapshot.Save(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(saved, b.Bytes()) {
		t.Error("the snapshot of a snapshot differs")
	}
	for _, broken := range [][]byte{nil, []byte("x"), saved[:len(saved)/2], saved[:len(saved)-1]} {
		if _, err := ReadSnapshot(bytes.NewReader(broken)); err == nil {
			t.Errorf("%d of %d bytes are read as a snapshot", len(broken), len(saved))
		}
	}
	flipped := bytes.Clone(saved)
	flipped[len(flipped)/2] ^= 1
	if _, err := ReadSnapshot(bytes.NewReader(flipped)); err == nil {
		t.Error("a snapshot with a bit flipped is read")
	}
	if err := c.Snapshot.Save(full{}); err == nil {
		t.Error("a full disk is no error")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A firewall.toml that is a link to a secret does not tell it to whoever may ask over the control socket.
func TestControlShowsNothingOfALinkedFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/pfw", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/shadow", []byte("root:s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../shadow", dir+"/pfw/firewall.toml"); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir+"/pfw/firewall.toml", Options{Control: true})
	if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "root") {
		t.Error(err)
	}
	if _, err := Load(dir+"/pfw/firewall.toml", Options{}); err == nil || !strings.Contains(err.Error(), "root:s3cret") {
		t.Errorf("on the machine itself: %v", err)
	}
	// A good one is loaded all the same.
	if err := os.WriteFile(dir+"/shadow", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir+"/pfw/firewall.toml", Options{Control: true}); err != nil {
		t.Error(err)
	}
}

func TestServicesWithoutTheFile(t *testing.T) {
	src := machine(inRule("in", `port = ["ssh", "https", "mdns"]`))
	delete(src, "/etc/services")
	c, err := Load(rootFile, Options{Source: src})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Policy.Rule("a").Text(); got != "block in tcp,udp port 22,443,5353" {
		t.Error(got)
	}
}

func TestProblemAsJSON(t *testing.T) {
	data, err := json.Marshal(refused(t, inRule("in", "prot = 5")).Problems)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"file":"/etc/pfw/firewall.toml","line":5,"column":1,"rule":"a","key":"prot","message":"unknown key \"prot\"","hint":"did you mean \"port\"?"}]`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func FuzzFirewallToml(f *testing.F) {
	for _, path := range []string{"../firewall.toml", "testdata/errors/firewall.toml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	for _, s := range []string{"", "[[rule]]", "a.b=1\na=2", "rule=[{name=1}]", "[a]\n[a.b]\n[a]", "x=\"\\u0000\"", "[list.a]\nentries=[[1],[]]", "\"\"=1", "[\"\"]", "x={a={b=[{}]}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Load(rootFile, Options{Source: machine(text), Now: now})
		if err == nil {
			return
		}
		var bad *Errors
		if !errors.As(err, &bad) {
			t.Fatal(err)
		}
		if len(bad.All()) == 0 {
			t.Fatal("refused without a reason")
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range bad.All() {
			if p.File != rootFile || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("%+v", p)
			}
		}
		for _, r := range err.Error() {
			if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) {
				t.Errorf("%q in the message", r)
			}
		}
	})
}

func TestBoundsOfARule(t *testing.T) {
	for _, c := range []struct {
		lines, text string
		quiet       bool
	}{
		{`limit = { rate = "10/minute" }`, "limit 10/minute", false},
		{`limit = { rate = "10/minute", burst = 5, per = "remote" }`, "limit 10/minute burst 5 per remote", false},
		{"limit = { per = \"rule\", rate = \"1/day\" }\nlog = false", "limit 1/day", true},
		{"max_connections = { count = 20, per = \"remote\" }\nlog = true", "max 20 connections per remote", false},
		{"max_connections = { count = 1 }", "max 1 connection", false},
		{`ban = { over = "6/minute", for = "1d" }`, "ban over 6/minute for 24h", false},
		{"[rule.ban]\nover = \"6/minute\"\nfor = \"1h30m\"", "ban over 6/minute for 1h30m", false},
	} {
		r := load(t, strings.Replace(inRule("in", c.lines), "block", "allow", 1)).Policy.Rules()[0]
		if got := r.Text(); got != "allow in "+c.text || r.Quiet != c.quiet {
			t.Errorf("%s: %s, quiet %t", c.lines, got, r.Quiet)
		}
	}
}
