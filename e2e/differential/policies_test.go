package differential

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
)

// author writes random rule files.
type author struct {
	r    *rand.Rand
	wide bool // users other than root exist
	now  time.Time
	// narrow rules ask for little each, so that in a long file the late ones decide, too.
	narrow bool
	// early writes lists first of all that are asked before conntrack.
	early bool
	// kind says of a narrow rule whether it asks for ports, addresses or both.
	kind int
	// bounds puts bounds on rules, and this in front of their names: what a rule of the same name and bounds counted goes on.
	bounds string
}

// document is a rule file in parts, so that some can be left out.
type document struct {
	head  string // defaults, log, lists
	rules []rule
}

type rule struct{ name, text string }

func (d document) String() string {
	text := d.head
	for _, r := range d.rules {
		text += r.text + "\n"
	}
	return text
}

func (a *author) document() document {
	var d document
	forward := pick(a.r, []string{"ignore", "allow", "block", "reject", "reject", "block"})
	verdict := func() string { return pick(a.r, []string{"allow", "block", "reject"}) }
	d.head = fmt.Sprintf("[default]\ninbound = %q\noutbound = %q\nforward = %q\n\n", verdict(), verdict(), forward)
	// Three in four policies log all there is: the log's answer is one of three.
	all := func() bool { return !one(a.r, 4) }
	d.head += fmt.Sprintf("[log]\nunmatched = %v\nallowed = %v\nmax_rate = \"unlimited\"\njournal = false\n\n", all(), all())
	d.head += a.lists()
	n := 1 + a.r.IntN(16)
	// One in four is long enough to be compiled into maps.
	if a.narrow = one(a.r, 4); a.narrow {
		n = 30 + a.r.IntN(220)
	}
	for i := range n {
		name := fmt.Sprintf("%sr%d", a.bounds, i)
		text := a.rule(name, forward != "ignore")
		if a.early && i < 3 && !one(a.r, 3) {
			text = a.blocklist(name)
		}
		d.rules = append(d.rules, rule{name, text})
	}
	return d
}

// lists of addresses that the rules name, some long.
func (a *author) lists() string {
	var big []string
	entries := 50 + a.r.IntN(500)
	if one(a.r, 2) { // so long that it is asked for in hashes
		entries = 2000 + a.r.IntN(1000)
		for range 900 {
			big = append(big, fmt.Sprintf("%q", fmt.Sprintf("2001:db8:%x:%x::%x/%d", a.r.IntN(1<<16), a.r.IntN(1<<16), a.r.IntN(1<<16), pick(a.r, []int{128, 128, 112, 64, 48}))))
		}
		for range 20 { // around what packets come from
			at := pick(a.r, remoteAddresses)
			least := at.BitLen() / 2
			p := netip.PrefixFrom(at, least+a.r.IntN(at.BitLen()-least+1)).Masked()
			if one(a.r, 2) { // beside it
				p = netip.PrefixFrom(policy.RangeOf(p).Last.Next(), p.Bits()).Masked()
			}
			big = append(big, fmt.Sprintf("%q", p))
		}
	}
	for range entries {
		switch a.r.IntN(4) {
		case 0:
			big = append(big, fmt.Sprintf("%q", fmt.Sprintf("2001:db8:%x:%x::/%d", 9+a.r.IntN(4), a.r.IntN(3), 64)))
		case 1: // nested and overlapping
			big = append(big, fmt.Sprintf("%q", fmt.Sprintf("203.0.113.%d/%d", a.r.IntN(256)&^7, 29)))
		default:
			big = append(big, fmt.Sprintf("%q", fmt.Sprintf("%d.%d.%d.%d", 1+a.r.IntN(220), a.r.IntN(256), a.r.IntN(256), a.r.IntN(256))))
		}
	}
	quoted := func(list []string) string {
		var out []string
		for _, s := range list {
			if !strings.HasPrefix(s, "@") && !strings.HasPrefix(s, "domain:") {
				out = append(out, fmt.Sprintf("%q", s))
			}
		}
		return strings.Join(out, ", ")
	}
	text := fmt.Sprintf("[list.near]\nentries = [%s]\n", quoted(append(some(a.r, remoteTexts), "203.0.113.6", "2001:db8:a::6")))
	text += fmt.Sprintf("[list.mixed]\nentries = [%s]\n", quoted(append(append(some(a.r, remoteTexts), some(a.r, remoteTexts)...), "203.0.113.0/24", "203.0.113.128/26")))
	text += fmt.Sprintf("[list.mine]\nentries = [%s]\n", quoted(append(some(a.r, localTexts), "172.16.5.5")))
	text += fmt.Sprintf("[list.big]\nentries = [%s]\n", strings.Join(big, ", "))
	if one(a.r, 4) {
		text += "[list.lan]\nentries = [\"10.20.0.0/22\", \"fd00:20::/64\"]\n"
	}
	return text + "\n"
}

// blocklist writes a rule that is asked before conntrack where it stands before all others.
func (a *author) blocklist(name string) string {
	return fmt.Sprintf("[[rule]]\nname = %q\naction = \"block\"\ndirection = \"both\"\nremote = %s\nlog = %t\n",
		name, a.ends(append([]string{"@big", "@near", "@big", "@mixed"}, remoteTexts...)), !one(a.r, 3))
}

// rule writes one rule. Keys come in any order.
func (a *author) rule(name string, forward bool) string {
	var keys []string
	set := func(key, value string) { keys = append(keys, key+" = "+value) }
	set("name", fmt.Sprintf("%q", name))
	action := pick(a.r, []string{"allow", "block", "reject"})
	set("action", fmt.Sprintf("%q", action))
	direction := pick(a.r, []string{"in", "in", "out", "out", "both"})
	if forward && one(a.r, 4) {
		direction = "forward"
	}
	set("direction", fmt.Sprintf("%q", direction))
	a.kind = a.r.IntN(3)
	if a.bounds == "" || !a.bound(action, set) {
		a.traffic(set)
	}
	remotes, locals := remoteTexts, localTexts
	if a.narrow {
		remotes, locals = narrowTexts, narrowLocalTexts
		if one(a.r, 30) {
			remotes = []string{"@big", "198.18.0.1"}
		}
	}
	switch direction {
	case "forward":
		a.maybe(a.seldom(3), func() { set("from", a.ends(remotes)) })
		a.maybe(3, func() { set("to", a.ends(remotes)) })
		a.maybe(5, func() { set("in_interface", a.list(quote(interfaceTexts))) })
		a.maybe(5, func() { set("out_interface", a.list(quote(interfaceTexts))) })
	default:
		a.maybe(a.seldom(2), func() { set("remote", a.ends(remotes)) })
		a.maybe(4, func() { set("local", a.ends(locals)) })
		a.maybe(4, func() { set("interface", a.list(quote(interfaceTexts))) })
	}
	if direction == "out" {
		users, groups := userTexts, groupTexts
		if !a.wide {
			users, groups = []string{`"root"`, "0", "4242"}, []string{`"root"`, "0", "4242"}
		}
		a.maybe(3, func() { set("user", a.list(users)) })
		a.maybe(4, func() { set("group", a.list(groups)) })
	}
	a.maybe(10, func() { set("schedule", a.schedule()) })
	a.maybe(12, func() { set("until", a.until()) })
	a.maybe(12, func() { set("enabled", pick(a.r, []string{"true", "false"})) })
	a.maybe(4, func() { set("log", pick(a.r, []string{"true", "false"})) })
	a.maybe(6, func() { set("severity", pick(a.r, []string{`"low"`, `"medium"`, `"high"`})) })
	a.maybe(6, func() { set("comment", `'a "comment" \ with $igns; # and such'`) })
	a.r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return "[[rule]]\n" + strings.Join(keys, "\n") + "\n"
}

// seldom is n, but for rules that must ask for an address or must not.
func (a *author) seldom(n int) int {
	switch {
	case !a.narrow:
		return n
	case a.kind == 0:
		return 40
	}
	return 1
}

func (a *author) maybe(n int, f func()) {
	if one(a.r, n) {
		f()
	}
}

func (a *author) traffic(set func(key, value string)) {
	if a.narrow && a.kind != 1 {
		a.maybe(2, func() { set("protocol", pick(a.r, []string{`"tcp"`, `"udp"`, `["tcp", "udp", "sctp"]`})) })
		set(pick(a.r, []string{"port", "port", "port", "source_port"}), a.list(narrowPortTexts))
		return
	}
	switch a.r.IntN(8) {
	case 0, 1: // any
	case 2, 3:
		set("protocol", a.list([]string{`"tcp"`, `"udp"`, `"icmp"`, `"icmpv6"`, `"sctp"`, `"gre"`, `"esp"`, `"ah"`, `"igmp"`, "6", "17", "253", "1"}))
	case 4:
		protocol, types := `"icmp"`, []string{`"echo-request"`, `"timestamp-request"`, `"info-request"`, `"address-mask-request"`, `"echo-reply"`, "8", "13", "15", "17"}
		if one(a.r, 2) {
			protocol, types = `"icmpv6"`, []string{`"echo-request"`, `"echo-reply"`, `"nd-neighbor-solicit"`, "128", "139"}
		}
		if one(a.r, 4) { // names bind the families that know them
			protocol, types = `["icmp", "icmpv6"]`, []string{`"echo-request"`, `"echo-reply"`, `"time-exceeded"`}
		}
		set("protocol", protocol)
		set("icmp_type", a.list(types))
	default:
		texts := tcpTexts
		a.maybe(2, func() {
			protocol := a.list([]string{`"tcp"`, `"tcp"`, `"udp"`, `"sctp"`, "6", "17", "132"})
			set("protocol", protocol)
			if protocol != `"tcp"` {
				texts = portTexts
			}
		})
		both := one(a.r, 5)
		source := both || one(a.r, 5)
		if source {
			set("source_port", a.list(texts))
		}
		if both || !source {
			set("port", a.list(texts))
		}
	}
}

// list is one to three values; a single one may stand alone.
func (a *author) list(values []string) string {
	list := some(a.r, values)
	if len(list) == 1 && one(a.r, 2) {
		return list[0]
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// ends is addresses, some of them excluded.
func (a *author) ends(values []string) string {
	list := some(a.r, values)
	for i := range list {
		if one(a.r, 4) && !(a.narrow && !one(a.r, 20)) {
			list[i] = "!" + list[i]
		}
	}
	return a.list(quote(list))
}

func quote(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = fmt.Sprintf("%q", out[i])
	}
	return out
}

// schedule has no edge near the present.
func (a *author) schedule() string {
	minute := func() int {
		for {
			m := a.r.IntN(24 * 60)
			if distance := (m - a.now.Hour()*60 - a.now.Minute() + 24*60) % (24 * 60); distance > 3 && distance < 24*60-3 {
				return m
			}
		}
	}
	from, to := minute(), minute()
	for from == to {
		to = minute()
	}
	window := fmt.Sprintf("from = \"%02d:%02d\", to = \"%02d:%02d\"", from/60, from%60, to/60, to%60)
	days := "days = " + pick(a.r, []string{`["mon-fri"]`, `["sat", "sun"]`, `"fri-mon"`, `["mon", "wed-thu", "sun"]`, `["mon-sun"]`})
	midnight := a.now.Hour() == 23 && a.now.Minute() > 56 || a.now.Hour() == 0 && a.now.Minute() < 4
	switch a.r.IntN(3) {
	case 0:
		return "{ " + window + " }"
	case 1:
		if !midnight {
			return "{ " + days + " }"
		}
	}
	return "{ " + days + ", " + window + " }"
}

func (a *author) until() string {
	t := a.now.Add(pick(a.r, []time.Duration{-49 * time.Hour, -time.Hour, -3 * time.Minute, 3 * time.Minute, time.Hour, 49 * time.Hour}))
	return t.Format(pick(a.r, []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"}))
}
