package differential

import (
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pfw/config"
	"pfw/config/policy"
)

var (
	packets  = flag.Int("packets", 6000, "how many packets TestThreeReadings sends in all, `N`")
	policies = flag.Int("policies", 40, "through how many policies TestThreeReadings sends them, `N`")
	seed     = flag.Uint64("seed", 0, "of what is random, `N`; 0 draws one; it is printed")
)

// patience is how long answers may take on a busy machine.
const patience = 15 * time.Second

// drawn is the seed of this run, printed so that it can be repeated.
func drawn(t *testing.T) uint64 {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()>>12 | 1
	}
	t.Logf("seed %d", s)
	return s
}

func TestThreeReadings(t *testing.T) { threeReadings(t, newNetwork(t, ""), false) }

func threeReadings(t *testing.T, n *network, early bool) {
	seed := drawn(t)
	written, loaded, sent := 0, 0, 0
	each := max(1, *packets / *policies)
	for i := 0; i < *policies || sent < *packets; i++ {
		// A policy of its own seed can be repeated alone: -seed SEED+i -policies 1.
		r := rand.New(rand.NewPCG(seed+uint64(i), 1))
		a := &author{r: r, wide: n.wide, now: time.Now(), early: early}
		d := a.document()
		written += len(d.rules)
		n.loadable(&d)
		loaded += len(d.rules)
		n.ban(r)
		shots := newShooter(r, n.wide).shots(each)
		if early { // where nothing is passed on
			shots = slices.DeleteFunc(shots, func(s shot) bool { return s.direction == policy.Forward })
		}
		sent += len(shots)
		if found := n.judge(d.String(), shots, patience); len(found) > 0 {
			n.report(d, found, seed+uint64(i), each)
			if t.Failed() && i > 2 {
				break
			}
		}
	}
	t.Logf("%d of %d rules loaded, %d packets sent", loaded, written, sent)
	if loaded*10 < written*7 {
		t.Errorf("only %d of %d rules were taken: the author writes too many that can never match", loaded, written)
	}
}

// loadable takes out the rules that the file's reader refuses because they can
// never match. Anything else that it says against a file is wrong.
func (n *network) loadable(d *document) {
	n.t.Helper()
	for {
		_, err := n.load(d.String())
		var bad *config.Errors
		switch {
		case err == nil:
			return
		case !errors.As(err, &bad) || bad.ExpectationOnly():
			n.t.Fatalf("%v\n%s", err, d)
		}
		refused := map[string]bool{}
		for _, p := range bad.Problems {
			if !strings.Contains(p.Message, "never match") || p.Rule == "" {
				n.t.Fatalf("%v\n%s", err, d)
			}
			refused[p.Rule] = true
		}
		d.rules = slices.DeleteFunc(d.rules, func(r rule) bool { return refused[r.name] })
	}
}

// report prints what differs, and the first packet of it with as few rules as
// show it.
func (n *network) report(d document, found []difference, seed uint64, each int) {
	n.t.Helper()
	n.t.Errorf("%d answers differ; repeat with -seed %d -policies 1 -packets %d", len(found), seed, each)
	for _, f := range found[:min(5, len(found))] {
		n.t.Error(f.text)
	}
	if found[0].shot == nil {
		n.t.Errorf("under this policy:\n%s", d)
		return
	}
	one := []shot{*found[0].shot}
	last := found
	for i := len(d.rules) - 1; i >= 0; i-- {
		less := d
		less.rules = slices.Delete(slices.Clone(d.rules), i, i+1)
		if again := n.judge(less.String(), one, time.Second); len(again) > 0 {
			d, last = less, again
		}
	}
	n.t.Errorf("the first of them alone:\n%s\n%s", d, last[0].text)
}
