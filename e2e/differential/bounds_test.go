package differential

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
	"pfw/enforce"
)

// bound gives a rule bounds, and says whether it also said of what traffic the rule is. The rates are such that nothing comes
// back while a test runs, or that nothing is ever over them.
func (a *author) bound(action string, set func(key, value string)) (traffic bool) {
	rate := func(key string) string {
		if one(a.r, 8) {
			return fmt.Sprintf("%s = \"1000000/second\"", key)
		}
		return fmt.Sprintf("%s = \"%d/day\"", key, 1+a.r.IntN(6))
	}
	per := func() string {
		return pick(a.r, []string{"", `, per = "rule"`, `, per = "remote"`, `, per = "remote"`})
	}
	a.maybe(2, func() {
		burst := pick(a.r, []string{"", fmt.Sprintf(", burst = %d", 1+a.r.IntN(8))})
		set("limit", "{ "+rate("rate")+burst+per()+" }")
	})
	a.maybe(4, func() { set("ban", "{ "+rate("over")+", for = \"1h\" }") })
	if action == "allow" && one(a.r, 3) {
		set("max_connections", fmt.Sprintf("{ count = %d%s }", 1+a.r.IntN(5), per()))
		// Nobody ends a connection of UDP.
		set("protocol", `"udp"`)
		return true
	}
	return false
}

// foresight counts openings as the kernel should.
type foresight struct {
	policy *policy.Policy
	now    time.Time
	left   map[bucket]uint32
	open   map[bucket]uint32
	banned map[netip.Prefix]bool
}

// bucket is what is counted together: remote is not valid where that is all.
type bucket struct {
	rule   policy.Name
	what   policy.Bound
	remote netip.Prefix
}

func newForesight(p *policy.Policy, now time.Time) *foresight {
	return &foresight{policy: p, now: now, left: map[bucket]uint32{}, open: map[bucket]uint32{}, banned: map[netip.Prefix]bool{}}
}

// foresee says of shots that are sent one after the other what each is over.
func (o *foresight) foresee(shots []shot) {
	for i := range shots {
		s := &shots[i]
		remote := enforce.Remote(s.packet.Source)
		if s.direction == policy.Out {
			remote = enforce.Remote(s.packet.Destination)
		}
		s.banned = o.banned[remote] || s.direction == policy.Forward && o.banned[enforce.Remote(s.packet.Destination)]
		d := o.policy.Decide(s.counted(o.now))
		if d.Rule == nil {
			continue
		}
		if b := o.over(d.Rule, remote); b != 0 {
			s.over = map[policy.Name]policy.Bound{d.Rule.Name: b}
		}
	}
}

func (o *foresight) over(r *policy.Rule, remote netip.Prefix) policy.Bound {
	at := func(b policy.Bound, per policy.Per) bucket {
		if per == policy.PerRule {
			return bucket{rule: r.Name, what: b}
		}
		return bucket{r.Name, b, remote}
	}
	take := func(b bucket, rate policy.Rate, burst uint32) bool {
		if rate.Per == time.Second {
			return true
		}
		left, known := o.left[b]
		if !known {
			left = burst
		}
		o.left[b] = max(left, 1) - 1
		return left > 0
	}
	if b := r.Ban; b != nil && !take(at(policy.ByBan, policy.PerRemote), b.Over, b.Over.Packets) && !o.policy.NeverBans(remote) {
		o.banned[remote] = true
		return policy.ByBan
	}
	if l := r.Limit; l != nil && !take(at(policy.ByLimit, l.Per), l.Rate, l.Burst) {
		return policy.ByLimit
	}
	if m := r.MaxConnections; m != nil {
		b := at(policy.ByConnections, m.Per)
		if o.open[b] >= m.Count {
			return policy.ByConnections
		}
		o.open[b]++
	}
	return 0
}

// The readings agree also on what is over a rule's bounds, packet for packet.
func TestThreeReadingsOfBounds(t *testing.T) {
	seed := drawn(t)
	n := newNetwork(t, "")
	over := map[policy.Bound]int{}
	banned := 0
	for i := range max(1, *policies/4) {
		r := rand.New(rand.NewPCG(seed+uint64(i), 6))
		a := &author{r: r, now: time.Now(), bounds: fmt.Sprintf("p%d-", i)}
		d := a.document()
		n.loadable(&d)
		loaded, err := n.load(d.String())
		n.must(err)
		n.must(n.local.ForgetConnections())
		n.must(n.daemon.Reload())
		o := newForesight(loaded.Policy, time.Now())
		incoming, outgoing := apart(newShooter(r, false).shots(200))
		// Sent from one processor they are judged in order; and those of this host when all others have been.
		for _, shots := range [][]shot{incoming, outgoing} {
			o.foresee(shots)
			var found []difference
			onOneProcessor(t, func() {
				found = (&trial{n: n, policy: loaded.Policy, shots: shots, bounded: true}).run(patience)
			})
			for _, f := range found[:min(5, len(found))] {
				t.Error(f.text)
			}
			if t.Failed() {
				t.Fatalf("repeat with -seed %d -policies 1:\n%s", seed+uint64(i), d)
			}
			for _, s := range shots {
				for _, b := range s.over {
					over[b]++
				}
				if s.banned {
					banned++
				}
			}
		}
		for remote := range o.banned {
			_, err := n.daemon.Pfw("unban", remote.Addr().String())
			n.must(err)
		}
	}
	t.Logf("over a limit %d, over connections %d, banned %d, and %d while they were", over[policy.ByLimit], over[policy.ByConnections], over[policy.ByBan], banned)
}

// apart parts what this host sends from the rest.
func apart(shots []shot) (others, own []shot) {
	for _, s := range shots {
		if s.direction == policy.Out {
			own = append(own, s)
		} else {
			others = append(others, s)
		}
	}
	return others, own
}

func onOneProcessor(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &all); err != nil {
			t.Error(err)
		}
	}()
	f()
}
