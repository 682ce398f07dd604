package enforce

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// A process that ends between the change and the record of it has not tampered.
func TestAnEndInTheMiddleIsNoTampering(t *testing.T) {
	h, o := hosts.New(t, "host"), TableOptions{StateDir: t.TempDir()}
	table := open(t, h, o)
	apply(t, table, listPolicy(t))
	want := blocks(t, h)
	table.recordUnfinished()
	crash(t, table)
	next := open(t, h, o)
	if tampered := takeover(t, next); tampered != nil {
		t.Errorf("%q differs", tampered)
	}
	if len(next.held) > 0 {
		t.Errorf("sets %v are trusted", next.held)
	}
	apply(t, next, listPolicy(t))
	if diff := cmp.Diff(want, firstNames(blocks(t, h))); diff != "" {
		t.Errorf("not as before:\n%s", diff)
	}
}

func TestWithoutARecordTheRulesAreInForceAllTheSame(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{StateDir: filepath.Join(t.TempDir(), "missing")})
	apply(t, table, listPolicy(t))
	if !strings.Contains(list(t, h), "chain in/ssh") {
		t.Error("not in force")
	}
}

// A firewall that is asked to be off is off, whatever becomes of its record.
func TestRemoveNeedsNoDisk(t *testing.T) {
	h, dir := hosts.New(t, "host"), t.TempDir()
	table := open(t, h, TableOptions{StateDir: dir})
	apply(t, table, listPolicy(t))
	if err := os.Remove(table.recordPath()); err != nil {
		t.Fatal(err)
	}
	// A directory with something in it is not removed as a file is.
	if err := os.MkdirAll(filepath.Join(table.recordPath(), "in-the-way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := table.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if out, err := h.Command("nft", "list", "tables").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("still in force: %v %s", err, out)
	}
}

// Others may change a table that nobody owns between two looks at it.
func TestApplyFindsWhatIsThere(t *testing.T) {
	for _, script := range []string{"delete table inet pfw", "flush table inet pfw\ndelete chain inet pfw in/web", "add table ip other"} {
		h := hosts.New(t, "host")
		table := open(t, h, TableOptions{WithoutOwner: true})
		apply(t, table, listPolicy(t))
		before := blocks(t, h)
		nft(t, h, script)
		apply(t, table, listPolicy(t))
		if diff := cmp.Diff(before, blocks(t, h)); diff != "" {
			t.Errorf("after %s:\n%s", script, diff)
		}
	}
}

// More errors than the socket can hold leave the outcome open; what is there then tells.
func TestAnswersThatAreLost(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	apply(t, table, listPolicy(t))
	before := list(t, h)
	if err := table.socket.nl.SetReadBuffer(1); err != nil {
		t.Fatal(err)
	}
	bad := Compile(listPolicy(t), Options{Now: now})
	for i := range bad.chains {
		if bad.chains[i].name == "input" {
			for range 2000 {
				bad.chains[i].rules = append(bad.chains[i].rules, rule{statements: []statement{goTo{"nowhere"}}})
			}
		}
	}
	if _, err := table.Apply(t.Context(), bad); err == nil {
		t.Error("no error")
	}
	if list(t, h) != before {
		t.Error("the table changed")
	}
	apply(t, table, build(t, standard, logging, policy.Rule{Name: "other", Action: policy.Allow, Scope: in(t, "10.0.0.0/8 192.0.2.9")}))
	if !strings.Contains(list(t, h), "chain in/other") {
		t.Error("the next ruleset is not in force")
	}
}

// Bans move before conntrack in two steps. After the first the ruleset is in force: what its owner is told must be no other.
func TestHalfAWayBeforeConntrackIsInForce(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	apply(t, table, listPolicy(t))
	early := Options{Now: now, EndsHere: true, Banned: true}
	next := build(t, standard, logging, policy.Rule{Name: "other", Action: policy.Allow, Scope: in(t, "10.0.0.0/8 192.0.2.9")})
	bad := Compile(next, early)
	for i := range bad.chains {
		if bad.chains[i].name == "input" {
			bad.chains[i].rules = append(bad.chains[i].rules, rule{statements: []statement{goTo{"nowhere"}}})
		}
	}
	_, err := table.Apply(t.Context(), bad)
	if there := strings.Contains(list(t, h), "chain in/other"); there != (err == nil) {
		t.Errorf("in force is %t, the error %v", there, err)
	}
	good := Compile(next, early)
	for range 2 {
		if _, err := table.Apply(t.Context(), good); err != nil {
			t.Fatal(err)
		}
	}
	if text := list(t, h); strings.Count(text, "ip saddr @banned4") != 1 {
		t.Errorf("bans are not asked for in one place:\n%s", text)
	}
	if differs, err := table.Verify(t.Context()); err != nil || len(differs) > 0 {
		t.Errorf("%q differ, %v", differs, err)
	}
}

func TestWhatTheKernelDoesNotHaveIsNamed(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	p := listPolicy(t)
	apply(t, table, p)
	r := Compile(p, Options{Now: now})
	plan, err := table.plan(&r)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.chains {
		c.kept = false
	}
	for what, spoil := range map[string]func(*snapshot){
		"chain in/ssh is not there": func(s *snapshot) { delete(s.Chains, "in/ssh") },
		"chain input has 1 rules of 19": func(s *snapshot) {
			c := s.Chains["input"]
			c.Rules = 1
			s.Chains["input"] = c
		},
		"chain input is filter hook input priority 0, policy accept and not": func(s *snapshot) {
			c := s.Chains["input"]
			c.Base = strings.Replace(c.Base, "drop", "accept", 1)
			s.Chains["input"] = c
		},
		"counter rule/ssh is not there": func(s *snapshot) { delete(s.counters, "rule/ssh") },
		"set banned4 is not there":      func(s *snapshot) { delete(s.Sets, "banned4") },
		"set " + table.held[setOf(r)] + " does not have the elements": func(s *snapshot) {
			x := s.Sets[table.held[setOf(r)]]
			x.Hash = ""
			s.Sets[table.held[setOf(r)]] = x
		},
	} {
		got, err := table.socket.read(t.Context(), table.everything())
		if err != nil {
			t.Fatal(err)
		}
		none := &snapshot{Sets: maps.Clone(got.Sets)}
		if wrong := plan.missing(got, none, plan.loaded()); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		spoil(got)
		wrong := strings.Join(plan.missing(got, none, plan.loaded()), "; ")
		if !strings.Contains(wrong, what) {
			t.Errorf("%q is found, want %q", wrong, what)
		}
	}
	got, err := table.socket.read(t.Context(), table.everything())
	if err != nil {
		t.Fatal(err)
	}
	if wrong := strings.Join(plan.missing(got, got, plan.loaded()), "; "); !strings.Contains(wrong, "still has the rules of before") {
		t.Errorf("%q is found of a table that was not swapped", wrong)
	}
}

// setOf finds the set of addresses of listPolicy.
func setOf(r Ruleset) string {
	for _, s := range r.sets {
		if s.kind == &ipv4Kind {
			return s.name
		}
	}
	panic("no set of addresses")
}

// Programs that run containers change their own tables all the time.
func TestOthersWhoChangeTheirOwnTablesHinderNobody(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	var rules []policy.Rule
	for i := range 500 {
		rules = append(rules, policy.Rule{Name: policy.Name(fmt.Sprintf("r%d", i)), Action: policy.Block, Scope: in(t, ""), Traffic: tcp(t, uint16(i+1))})
	}
	p := build(t, standard, logging, rules...)
	apply(t, table, p)
	stop, ended := make(chan struct{}), make(chan error)
	go func() { ended <- h.Do(func() error { return churn(stop) }) }()
	for range 20 {
		apply(t, table, p)
		if differs, err := table.Verify(t.Context()); err != nil || differs != nil {
			t.Fatalf("%v; %q differs", err, differs)
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// churn changes a table that is not pfw's, as fast as the kernel lets it.
func churn(stop chan struct{}) error {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return err
	}
	other := c.AddTable(&nftables.Table{Name: "other", Family: nftables.TableFamilyIPv4})
	chain := &nftables.Chain{Name: "c", Table: other}
	for err == nil {
		select {
		case <-stop:
			return c.CloseLasting()
		default:
		}
		c.AddChain(chain)
		if err = c.Flush(); err == nil {
			c.DelChain(chain)
			err = c.Flush()
		}
	}
	return errors.Join(err, c.CloseLasting())
}
