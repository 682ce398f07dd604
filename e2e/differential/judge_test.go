package differential

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// trial is one policy and the packets that are sent through it.
type trial struct {
	n      *network
	policy *policy.Policy
	now    time.Time
	shots  []shot
	before map[string]uint64
	tail   *hosts.Tail
	// entries holds what the audit log said since the policy is in force.
	entries map[label][]hosts.Entry
	// open are flows that an earlier policy let open, cut those of them that were
	// cut since.
	open, cut map[tuple]bool
	// bounded says that the shots tell what they are over.
	bounded bool
}

// difference is a packet, or a counter, of which the answers differ.
type difference struct {
	shot *shot // nil for a counter
	text string
}

// load reads the policy as pfwd would.
func (n *network) load(toml string) (*config.Config, error) {
	n.must(n.daemon.Edit(toml))
	return config.Load(n.daemon.Config, config.Options{})
}

// judge puts a policy in force, sends the packets, and compares what it can learn
// of each. It waits for all answers up to a limit.
func (n *network) judge(toml string, shots []shot, limit time.Duration) []difference {
	n.t.Helper()
	loaded, err := n.load(toml)
	if err != nil {
		n.t.Fatalf("%v\n%s", err, toml)
	}
	n.must(n.local.ForgetConnections())
	n.must(n.daemon.Reload())
	r := &trial{n: n, policy: loaded.Policy, shots: shots}
	return r.run(limit)
}

// run sends the packets under the policy in force, and compares.
func (r *trial) run(limit time.Duration) []difference {
	r.n.t.Helper()
	r.now, r.entries = time.Now(), map[label][]hosts.Entry{}
	rules, err := r.n.daemon.Rules()
	r.n.must(err)
	r.before = rules.Packets()
	r.tail, err = r.n.daemon.Tail()
	r.n.must(err)
	r.n.seen.forget()
	r.n.fire(r.shots)
	// Words do not tell what a packet is over.
	if found := r.words(); len(found) > 0 && !r.bounded {
		return found
	}
	// Nothing more may come once all has: the second look is for what came twice.
	if found := r.settle(limit); len(found) > 0 {
		return found
	}
	time.Sleep(20 * time.Millisecond)
	return r.compare()
}

// settle waits until nothing differs, or for the time that is left.
func (r *trial) settle(limit time.Duration) []difference {
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		found := r.compare()
		if len(found) == 0 || time.Now().After(deadline) {
			return found
		}
	}
}

// compare holds all answers that are there against each other.
func (r *trial) compare() []difference {
	news, err := r.tail.Next()
	r.n.must(err)
	for _, e := range news {
		// Who is banned meanwhile loses what was open.
		if r.bounded && e.EventType == "cut" && e.PFW.Rule == "banned" {
			continue
		}
		r.entries[labelOfEntry(e)] = append(r.entries[labelOfEntry(e)], e)
	}
	var found []difference
	decided := map[string]uint64{}
	for i := range r.shots {
		s := &r.shots[i]
		d := r.policy.Decide(r.flow(s))
		by := d.By
		if by == "default" {
			by += " " + s.direction.String()
		}
		want := r.wants(s, d)
		if r.cut[tupleOf(s.packet)] {
			want = "vanishes, no entry"
		} else if r.open[tupleOf(s.packet)] && d.Verdict == policy.Allow && (d.Rule != nil || d.By == "default") {
			want = "arrives, no entry" // no opening
		} else {
			decided[by]++
		}
		if got := r.got(s); got != want {
			text := fmt.Sprintf("%s\n  Decide: %s by %s: %s\n  so:     %s\n  but:    %s", r.text(s), d.Verdict, d.By, d.Reason, want, got)
			for _, e := range r.entries[labelOf(s.packet)] {
				text += "\n  entry:  " + e.Line
			}
			found = append(found, difference{s, text})
		}
	}
	if len(found) > 0 {
		return found
	}
	return r.counters(decided)
}

// wants says in words what is to be seen of a shot.
func (r *trial) wants(s *shot, d policy.Decision) string {
	log := r.policy.Log()
	_, hooked := r.policy.Default(s.direction)
	var world, entry string
	switch d.Verdict {
	case policy.Allow:
		world = "arrives"
		if hooked && (log.Allowed || d.Rule != nil && d.Rule.Log) && (d.Rule != nil || d.By == "default") {
			entry = "allow"
		}
	case policy.Block, policy.Reject:
		world = "vanishes"
		if d.Verdict == policy.Reject && !toMany(s.packet.Destination) {
			world = "is answered as prohibited"
			if s.packet.Protocol == 6 {
				world = "is answered with a reset"
			}
		}
		if d.Rule != nil && (d.Rule.Log || d.Over != 0 && !d.Rule.Quiet) || d.By == "default" && log.Unmatched {
			entry = "drop"
		}
	}
	if entry == "" {
		return world + ", no entry"
	}
	return world + ", " + describe(hosts.Entry{
		EventType: entry, Direction: s.direction.String(), InIface: s.in, OutIface: s.out,
	}, d.Verdict.String(), d.By)
}

func describe(e hosts.Entry, action, rule string) string {
	return fmt.Sprintf("entry %s of %s by %s: %s in %q out %q", e.EventType, action, rule, e.Direction, e.InIface, e.OutIface)
}

// got says in the same words what was seen.
func (r *trial) got(s *shot) string {
	f := r.n.seen.of(tupleOf(s.packet))
	var world []string
	add := func(count int, what string) {
		if count == 1 {
			world = append(world, what)
		} else if count > 1 {
			world = append(world, fmt.Sprintf("%s %d times", what, count))
		}
	}
	add(f.arrivals, "arrives")
	// Local's stack itself resets what arrives where nobody listens.
	if f.arrivals == 0 || s.direction != policy.In {
		add(f.resets, "is answered with a reset")
	}
	add(f.prohibited, "is answered as prohibited")
	if len(world) == 0 {
		world = []string{"vanishes"}
	}
	text := strings.Join(world, " and ")
	entries := r.entries[labelOf(s.packet)]
	if len(entries) == 0 {
		text += ", no entry"
	}
	for _, e := range entries {
		text += ", " + describe(e, e.PFW.Action, e.PFW.Rule)
		if s.direction == policy.Out && (e.PFW.UID == nil || *e.PFW.UID != s.uid) {
			text += " without its user"
		}
	}
	return text
}

// counters compares by how much each moved.
func (r *trial) counters(decided map[string]uint64) []difference {
	rules, err := r.n.daemon.Rules()
	r.n.must(err)
	after := rules.Packets()
	var found []difference
	for _, by := range slices.Sorted(maps.Keys(after)) {
		// The host itself has neighbours to find and groups to join.
		if slices.Contains([]string{"loopback", "panic", "established", "icmpv6", "igmp"}, by) || by == "banned" && r.bounded {
			continue
		}
		if got := after[by] - r.before[by]; got != decided[by] && !r.unhooked(by) {
			found = append(found, difference{nil, fmt.Sprintf("counter of %s: rose by %d for %d packets that it decides", by, got, decided[by])})
		}
	}
	for by := range decided {
		if _, ok := after[by]; !ok && !r.unhooked(by) {
			found = append(found, difference{nil, fmt.Sprintf("counter of %s: there is none", by)})
		}
	}
	return found
}

// unhooked tells whether by is forwarding that nobody looks at, so nobody counts.
func (r *trial) unhooked(by string) bool {
	_, hooked := r.policy.Default(policy.Forward)
	return by == "default forward" && !hooked
}

// words holds the packets as text against the packets, and what `pfw explain` says
// of one of them against Decide.
func (r *trial) words() []difference {
	r.n.t.Helper()
	var found []difference
	for i := range r.shots {
		s := &r.shots[i]
		d := r.policy.Decide(r.flow(s))
		read, err := config.ParsePacket(r.text(s), config.Disk(), time.Time{})
		read.Banned, read.Names = r.flow(s).Banned, names
		if err != nil {
			found = append(found, difference{s, fmt.Sprintf("%s\n  is not read back: %v", r.text(s), err)})
		} else if again := r.policy.Decide(read); again.Verdict != d.Verdict || again.By != d.By {
			found = append(found, difference{s, fmt.Sprintf("%s\n  Decide: %s by %s; as read back: %s by %s", r.text(s), d.Verdict, d.By, again.Verdict, again.By)})
		}
	}
	s := &r.shots[0]
	d := r.policy.Decide(r.flow(s))
	var said struct{ Verdict, Rule string }
	out, err := r.n.daemon.Pfw("explain", "--json", r.text(s))
	r.n.must(err)
	r.n.must(json.Unmarshal([]byte(out), &said))
	if said.Verdict != d.Verdict.String() || said.Rule != d.By {
		found = append(found, difference{s, fmt.Sprintf("%s\n  Decide: %s by %s; explain: %s by %s", r.text(s), d.Verdict, d.By, said.Verdict, said.Rule)})
	}
	return found
}

// flow is all that is known of a shot, with who is banned.
func (r *trial) flow(s *shot) policy.Flow {
	f := s.counted(r.now)
	f.Banned = f.Banned || s.direction != policy.Out && r.n.isBanned(s.packet.Source) || s.direction != policy.In && r.n.isBanned(s.packet.Destination)
	return f
}

// text is the packet as explain and [[expect]] write it.
func (r *trial) text(s *shot) string {
	return config.FormatPacket(s.flow(r.now))
}
