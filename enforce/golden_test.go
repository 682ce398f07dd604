package enforce

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pfw/config"
	"pfw/e2e/hosts"
)

var update = flag.Bool("update", false, "write golden.nft anew")

func cases(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*/firewall.toml")
	if err != nil || len(found) == 0 {
		t.Fatal("no cases: ", err)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

func compileFile(t testing.TB, dir string) Ruleset {
	t.Helper()
	c, err := config.Load(filepath.Join(dir, "firewall.toml"), config.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Policy
	if strings.HasPrefix(filepath.Base(dir), "panic") {
		p = p.InPanic()
	}
	early := strings.HasPrefix(filepath.Base(dir), "early")
	return Compile(p, Options{Now: now, EndsHere: early, Banned: early})
}

func TestCompileGivesTheGolden(t *testing.T) {
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := compileFile(t, dir).String()
			golden := filepath.Join(dir, "golden.nft")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error("golden.nft differs (go test -update writes it anew):\n", diff)
			}
		})
	}
}

// The two forms of a ruleset, the script and the netlink messages, are held against each other by what the kernel, and
// nft, make of them.
func TestScriptAndNetlinkListAlike(t *testing.T) {
	hosts.Need(t, "nft")
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			script, err := os.ReadFile(filepath.Join(dir, "golden.nft"))
			if err != nil {
				t.Fatal(err)
			}
			byScript, byNetlink := hosts.New(t, "script"), hosts.New(t, "netlink")
			nft(t, byScript, string(script))
			want := blocks(t, byScript)
			table := open(t, byNetlink, TableOptions{})
			r := compileFile(t, dir)
			for _, when := range []string{"first", "again"} {
				if _, err := table.Apply(t.Context(), r); err != nil {
					t.Fatal(when, ": ", err)
				}
				if diff := cmp.Diff(want, blocks(t, byNetlink)); diff != "" {
					t.Errorf("applied %s: script and netlink list differently:\n%s", when, diff)
				}
			}
			nft(t, byScript, string(script))
			if diff := cmp.Diff(want, blocks(t, byScript)); diff != "" {
				t.Errorf("the script loaded twice lists differently:\n%s", diff)
			}
		})
	}
}

// The same of policies that nobody thought of, each in force after the one before.
func TestRandomScriptsAndNetlinkListAlike(t *testing.T) {
	hosts.Need(t, "nft")
	seed := drawnSeed(t)
	byNetlink := hosts.New(t, "netlink")
	table := open(t, byNetlink, TableOptions{StateDir: t.TempDir()})
	for i := range *simulatedFlows / 10_000 {
		r := Compile(newRandomWorld(t, rand.New(rand.NewPCG(seed+uint64(i), 4))).policy(200), Options{Now: now})
		byScript := hosts.New(t, "script")
		nft(t, byScript, r.String())
		if _, err := table.Apply(t.Context(), r); err != nil {
			t.Fatalf("seed %d: %v", seed+uint64(i), err)
		}
		want := blocks(t, byScript)
		if diff := cmp.Diff(want, withoutPastLogs(blocks(t, byNetlink), want)); diff != "" {
			t.Fatalf("seed %d: script and netlink list differently:\n%s", seed+uint64(i), diff)
		}
	}
}

// blocks gives the table's blocks in order of their first lines, without what only an owned table has.
func blocks(t testing.TB, h *hosts.Host) []string {
	t.Helper()
	text := list(t, h)
	text = regexp.MustCompile(` # progname .*`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`(?m)^\tflags .*\n\n?`).ReplaceAllString(text, "")
	// Two ports that are compared one after the other nft makes one value of, in a script, and lists it so.
	text = regexp.MustCompile(`@th,0,32 0x[0-9a-f]+`).ReplaceAllStringFunc(text, func(s string) string {
		n, err := strconv.ParseUint(s[len("@th,0,32 0x"):], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("th sport %d th dport %d", n>>16, n&0xffff)
	})
	text = strings.TrimSuffix(strings.TrimPrefix(text, "table inet pfw {\n"), "}\n")
	var out []string
	for _, b := range strings.Split(text, "\n\t}\n") {
		if b = strings.Trim(b, "\n"); b != "" {
			out = append(out, b)
		}
	}
	slices.Sort(out)
	return out
}

// withoutPastLogs leaves out what counted the log of a rule that has none now: it stays as long as the rule does.
func withoutPastLogs(blocks, want []string) []string {
	return slices.DeleteFunc(blocks, func(b string) bool {
		past := strings.HasPrefix(b, "\tcounter "+overCounter+ruleCounter) || strings.HasPrefix(b, "\tcounter "+sentCounter+ruleCounter)
		_, wanted := slices.BinarySearch(want, b)
		return past && !wanted
	})
}

// Whatever was in force before, a ruleset is in force as if it were the first.
func TestEveryCaseFollowsEveryOther(t *testing.T) {
	hosts.Need(t, "nft")
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{StateDir: t.TempDir()})
	dirs := cases(t)
	rulesets, want := map[string]Ruleset{}, map[string][]string{}
	for _, dir := range dirs {
		rulesets[dir] = compileFile(t, dir)
		fresh := hosts.New(t, "fresh")
		nft(t, fresh, rulesets[dir].String())
		want[dir] = blocks(t, fresh)
	}
	before := ""
	for stride := 1; stride < len(dirs); stride += 3 {
		for i := range dirs {
			dir := dirs[i*stride%len(dirs)]
			if _, err := table.Apply(t.Context(), rulesets[dir]); err != nil {
				t.Fatalf("%s after %s: %v", dir, before, err)
			}
			if diff := cmp.Diff(want[dir], withoutPastLogs(blocks(t, h), want[dir])); diff != "" {
				t.Fatalf("%s after %s lists as another:\n%s", dir, before, diff)
			}
			before = dir
		}
	}
}
