package differential

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// A newly loaded policy holds for flows that are open already: those that it
// refuses, whatever is not known of them, are cut, and only those, until a policy
// comes that does not surely refuse them. The packets that open the flows are sent
// again under each of several policies: one of a flow that was cut vanishes; else
// it is judged anew, as nobody answered, and is no opening where it may pass again.
func TestOpenFlowsAreJudgedAnew(t *testing.T) {
	seed := drawn(t)
	n := newNetwork(t, "")
	// Nothing is forgotten while a busy machine thinks.
	n.must(n.local.Sysctl("net/netfilter/nf_conntrack_udp_timeout", "600"))
	r := rand.New(rand.NewPCG(seed, 2))
	shooter := newShooter(r, n.wide)
	cuts, passed := 0, 0
	for range 4 {
		var shots []shot
		for len(shots) < 80 {
			// UDP that nobody answers: what conntrack makes of the second packet of
			// other protocols depends on the answers.
			if s, ok := shooter.shot(); ok && s.packet.Protocol == 17 {
				shots = append(shots, s)
			}
		}
		story := ""
		open, cut := map[tuple]bool{}, map[tuple]bool{} // known to conntrack; dropped before any rule
		n.must(n.local.ForgetConnections())
		for range 5 {
			a := &author{r: r, wide: n.wide, now: time.Now()}
			d := a.document()
			n.loadable(&d)
			story += "\nthen:\n" + d.String()
			loaded, err := n.load(d.String())
			n.must(err)
			tail, err := n.daemon.Tail()
			n.must(err)
			n.must(n.daemon.Reload())
			want := map[label]string{}
			for _, s := range shots {
				refusal, sure := loaded.Policy.Refused(unsure(s.flow(time.Now())))
				id := tupleOf(s.packet)
				if open[id] && sure {
					want[labelOf(s.packet)] = refusal.By
				}
				cut[id] = sure && (open[id] || cut[id])
				open[id] = open[id] && !sure
			}
			if text := n.awaitCuts(tail, want); text != "" {
				t.Fatalf("%s%s", text, story)
			}
			next := &trial{n: n, policy: loaded.Policy, shots: shots, open: open, cut: cut}
			if found := next.run(patience); len(found) > 0 {
				t.Fatalf("%s%s", found[0].text, story)
			}
			cuts += len(want)
			for _, s := range shots {
				id := tupleOf(s.packet)
				if !cut[id] && loaded.Policy.Decide(s.flow(time.Now())).Verdict == policy.Allow {
					open[id] = true
					passed++
				}
			}
		}
	}
	t.Logf("%d flows were cut, %d times one passed", cuts, passed)
	if cuts == 0 || passed == 0 {
		t.Error("this shows nothing")
	}
}

// unsure is a flow as far as it is known once it is open.
func unsure(f policy.Flow) policy.Flow {
	if f.Direction != policy.Out {
		f.InInterface = policy.Unknown[string]()
	}
	if f.Direction != policy.In {
		f.OutInterface = policy.Unknown[string]()
	}
	if f.Direction == policy.Out {
		f.User, f.Group = policy.Unknown[uint32](), policy.Unknown[uint32]()
	}
	return f
}

// awaitCuts waits for the cut entries that are wanted, by rule, and tells in words
// what differs from them in the end.
func (n *network) awaitCuts(tail *hosts.Tail, want map[label]string) string {
	n.t.Helper()
	got := map[label]string{}
	differ := func() string {
		for l, by := range want {
			if got[l] != by {
				return fmt.Sprintf("%+v: cut by %q, want %q", l, got[l], by)
			}
		}
		for l, by := range got {
			if want[l] != by {
				return fmt.Sprintf("%+v: cut by %q, want it to go on", l, by)
			}
		}
		return ""
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		entries, err := tail.Next()
		n.must(err)
		for _, e := range entries {
			if e.EventType == "cut" {
				got[labelOfEntry(e)] += e.PFW.Rule
			}
		}
		if text := differ(); text == "" || time.Now().After(deadline) {
			return text
		}
	}
}
