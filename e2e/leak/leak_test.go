package leak

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Policies that have nothing in common but what they block and allow. Where one
// blocks by rules and allows the rest, the other blocks by default.
var policies = []string{`
[default]
inbound = "allow"
outbound = "allow"
forward = "allow"
[list.bad]
entries = ["203.0.113.0/25", "203.0.113.128/25", "2001:db8:bad::/49", "2001:db8:bad:8000::/49"]
[[rule]]
name = "bad-in"
action = "block"
direction = "in"
remote = "@bad"
[[rule]]
name = "bad-through"
action = "reject"
direction = "forward"
from = "@bad"
log = false
`, `
[default]
inbound = "block"
outbound = "allow"
forward = "block"
[[rule]]
name = "stream-in"
action = "allow"
direction = "in"
protocol = "tcp"
port = 5001
remote = ["198.51.100.0/24", "2001:db8:2::/64"]
[[rule]]
name = "stream-through"
action = "allow"
direction = "forward"
protocol = "tcp"
port = 5001
from = "192.0.2.0/24"
`, `
[default]
inbound = "allow"
outbound = "block"
forward = "allow"
[[rule]]
name = "flood"
action = "block"
direction = "in"
interface = "left"
protocol = ["tcp", "udp"]
[[rule]]
name = "stream-through"
action = "allow"
direction = "forward"
from = ["192.0.2.2"]
[[rule]]
name = "bad-through"
action = "block"
direction = "forward"
in_interface = "left"
port = "5000-5002"
`}

func TestNothingLeaksOverReloads(t *testing.T) {
	s := lay(t, policies[0])
	for i := range 100 {
		s.reload(policies[(i+1)%len(policies)])
		s.holds(fmt.Sprintf("reload %d", i+1))
	}
	s.beat()
}

func TestNothingLeaksOverCrashes(t *testing.T) {
	s := lay(t, policies[0])
	for i := range 20 {
		if err := s.daemon.Kill(); err != nil {
			t.Fatal(err)
		}
		s.holds(fmt.Sprintf("crash %d", i+1))
		// The successor may be given another policy than the crashed one had.
		if err := s.daemon.Edit(policies[i/2%len(policies)]); err != nil {
			t.Fatal(err)
		}
		if err := s.daemon.Start(); err != nil {
			t.Fatal(err)
		}
		s.holds(fmt.Sprintf("start after crash %d", i+1))
	}
	s.beat()
}

// The list is all that keeps the flood out.
const byList = `
[default]
inbound = "allow"
outbound = "allow"
forward = "allow"
[list.bad]
file = "bad.netset"
[[rule]]
name = "bad-in"
action = "block"
direction = "in"
remote = "@bad"
[[rule]]
name = "bad-through"
action = "block"
direction = "forward"
from = "@bad"
`

// netset is one of two lists of 100,000 prefixes that have nothing in common but
// the flood's sources.
func netset(which int) string {
	var b strings.Builder
	for i := range 100_000 {
		// Halves of /24s do not touch, so they stay as many.
		n := i*2 + which
		fmt.Fprintf(&b, "%d.%d.%d.0/25\n", 20+n>>16, n>>8&255, n&255)
	}
	for i := range 5_000 {
		fmt.Fprintf(&b, "2001:db8:%x:%x::/64\n", 0xc000+which, i*2)
	}
	if which == 0 {
		fmt.Fprintf(&b, "%s\n%s\n", bad4, bad6)
	} else {
		b.WriteString("203.0.113.0/25\n203.0.113.128/26\n203.0.113.192-203.0.113.255\n2001:db8:bad::/49\n2001:db8:bad:8000::/49\n")
	}
	return b.String()
}

func TestNothingLeaksWhileALongListIsReplaced(t *testing.T) {
	s := lay(t, byList)
	for i := range 6 {
		s.write("bad.netset", netset((i+1)%2))
		s.reload(byList)
		s.holds(fmt.Sprintf("list %d", i+1))
	}
	// From a list to none and back, and between.
	s.reload(policies[0])
	s.holds("from the long list to a short one")
	s.reload(byList)
	s.holds("from a short list to the long one")
	s.beat()
}

func TestNothingLeaksWhenPfwdDiesWhileItReplacesALongList(t *testing.T) {
	s := lay(t, byList)
	for i := range 6 {
		s.write("bad.netset", netset((i+1)%2))
		// Anywhere from reading the list to dropping the old one.
		s.dies(i+1, time.Duration(i+1)*150*time.Millisecond)
	}
	s.beat()
}

// byMaps has the flood kept out by many rules, each for some of its sources, between rules for ports: so maps and blocks
// keep it out, and another one has none of them in common.
func byMaps(which int) string {
	var b strings.Builder
	b.WriteString("[default]\ninbound = \"allow\"\noutbound = \"allow\"\nforward = \"allow\"\n")
	for j := range 32 {
		i := (j + 5*which) % 32
		bad := fmt.Sprintf("[\"203.0.113.%d/29\", \"2001:db8:bad:%x::/53\", \"10.%d.%d.0/24\"]", 8*i, i<<11, which, j)
		fmt.Fprintf(&b, "[[rule]]\nname = \"in-%d\"\naction = %q\nlog = false\ndirection = \"in\"\nremote = %s\n", i, []string{"block", "reject"}[j%2], bad)
		fmt.Fprintf(&b, "[[rule]]\nname = \"through-%d\"\naction = \"block\"\nlog = false\ndirection = \"forward\"\nfrom = %s\n", i, bad)
		fmt.Fprintf(&b, "[[rule]]\nname = \"port-%d\"\naction = \"allow\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = %d\n", j, 6000+j+100*which)
	}
	return b.String()
}

func TestNothingLeaksWhileMapsAreReplaced(t *testing.T) {
	s := lay(t, byMaps(0))
	for i := range 30 {
		s.reload(byMaps((i + 1) % 3))
		s.holds(fmt.Sprintf("maps %d", i+1))
	}
	// From maps to none and back.
	s.reload(policies[1])
	s.holds("from maps to a few rules")
	s.reload(byMaps(1))
	s.holds("from a few rules to maps")
	s.beat()
}

func TestNothingLeaksWhenPfwdDiesWhileItReplacesMaps(t *testing.T) {
	s := lay(t, byMaps(0))
	for i := range 8 {
		if err := s.daemon.Edit(byMaps((i + 1) % 3)); err != nil {
			t.Fatal(err)
		}
		s.dies(i+1, time.Duration(i+1)*10*time.Millisecond)
	}
	s.beat()
}

// longer is a list of 100,000 entries of all lengths, in which the flood's sources are spelled another way each time, so
// that they move from hash to hash as the list is edited in place.
func longer(turn int) string {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "%d.%d.%d.%d/%d\n", 20+i>>15, i>>7&255, i<<1&255, i&1<<7, []int{32, 32, 28, 25}[i%4])
	}
	for i := range 5_000 {
		fmt.Fprintf(&b, "2001:db8:%x:%x::/%d\n", 0xc000, i*2, []int{64, 112}[i%2])
	}
	for i := range 50 {
		fmt.Fprintf(&b, "19.%d.%d.1\n", turn, i)
	}
	split4 := []string{"203.0.113.0/24", "203.0.113.0/25 203.0.113.128/25", "203.0.113.0-203.0.113.100 203.0.113.101-203.0.113.255", "203.0.112.0/23"}
	split6 := []string{"2001:db8:bad::/48", "2001:db8:bad::/49 2001:db8:bad:8000::/49", "2001:db8:bac::/47"}
	for _, s := range []string{split4[turn%4], split6[turn%3]} {
		b.WriteString(strings.ReplaceAll(s, " ", "\n") + "\n")
	}
	if turn%2 == 1 {
		// Beside it, so that the range is another one and its prefixes are.
		b.WriteString("203.0.114.0/25\n203.0.112.128/25\n2001:db8:bae::/48\n")
	}
	return b.String()
}

// edits reloads the file's rules with the long list as it is at first, and after each of n edits of it.
func (s *siege) edits(file string, n int) {
	s.t.Helper()
	s.write("bad.netset", longer(0))
	s.reload(file)
	s.holds("the first list")
	for i := range n {
		s.write("bad.netset", longer(i+1))
		s.reload(file)
		s.holds(fmt.Sprintf("edit %d", i+1))
	}
	s.beat()
}

func TestNothingLeaksWhileALongListIsEdited(t *testing.T) {
	s := lay(t, byList)
	s.edits(byList, 40)
}

// Nor where the list's rules stand among many others, which maps tell apart.
func TestNothingLeaksWhileALongListIsEditedAmongMaps(t *testing.T) {
	list, rules, _ := strings.Cut(byList, "[[rule]]")
	file := list
	for i := range 40 {
		if i == 20 {
			file += "[[rule]]" + rules + "\n"
		}
		file += fmt.Sprintf("[[rule]]\nname = \"port-%d\"\naction = \"block\"\nlog = false\ndirection = \"in\"\nprotocol = \"tcp\"\nport = %d\n", i, 6000+i)
		file += fmt.Sprintf("[[rule]]\nname = \"remote-%d\"\naction = \"block\"\nlog = false\ndirection = \"in\"\nremote = \"10.0.%d.0/24\"\n", i, i)
	}
	s := lay(t, byList)
	s.edits(file, 10)
}

// A firewall that starts with a long list lets nothing in before it has it, nor after it was off.
func TestNothingLeaksOnceALongListIsInForce(t *testing.T) {
	s := lay(t, byList)
	for i := range 5 {
		if err := s.daemon.Stop(); err != nil {
			t.Fatal(err)
		}
		s.write("bad.netset", longer(i))
		if err := s.daemon.Start(); err != nil {
			t.Fatal(err)
		}
		// While it was off, what came came. What was on its way as it was ready has arrived by then.
		time.Sleep(200 * time.Millisecond)
		before := s.leaked.Load()
		time.Sleep(500 * time.Millisecond)
		if n := s.leaked.Load() - before; n > 0 {
			t.Fatalf("start %d: %d packets came through after it was ready", i+1, n)
		}
	}
}
