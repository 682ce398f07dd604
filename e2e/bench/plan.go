package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
)

// Where packets go to. No rule but the last is about these two ports of UDP.
const (
	closedPort  = 40000 // no rule allows it: the default blocks
	servicePort = 40001 // the last rules of every plan allow it
)

// plan is what a firewall is asked to enforce, the same for all that are compared: inbound connections are blocked and
// outbound ones allowed but for what the rules say, and whoever is on the list is blocked in both directions before any
// rule. Replies pass. IPv4 addresses only, as not every peer has rules for both families in one place.
type plan struct {
	rules   []rule
	list    []netip.Prefix // sorted, without overlaps, which nft refuses
	listed  bool           // there is a list, be it empty
	singles bool           // of single addresses
	log     bool           // log what the default blocks, without a limit
}

func (p *plan) String() string {
	text := count(len(p.rules)) + " rules"
	if p.listed {
		text += fmt.Sprintf(" and %s %s", count(len(p.list)), map[bool]string{false: "entries", true: "single addresses"}[p.singles])
	}
	return text
}

// rule is one rule as people write them.
type rule struct {
	allow, out  bool
	protocol    string       // tcp, udp; "" is any
	first, last uint16       // ports of the service; 0 is any
	remote      netip.Prefix // the zero prefix is any
}

// rulesOf makes n rules of mixed shapes: by port, by address, by both, in and out. The last two allow servicePort, so that
// a packet to it passes all the others first where they are walked one after another.
func rulesOf(n int) []rule {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	private := func(bits int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), bits).Masked()
	}
	port := func() uint16 { return uint16(1 + r.IntN(30000)) }
	var rules []rule
	for i := range n - 2 {
		p := port()
		var x rule
		switch i % 8 {
		case 0:
			x = rule{allow: true, protocol: "tcp", first: p, last: p}
		case 1:
			x = rule{allow: true, protocol: "tcp", first: p, last: p, remote: private(24)}
		case 2:
			x = rule{remote: private(32)}
		case 3:
			x = rule{allow: true, protocol: "udp", first: p, last: p + uint16(r.IntN(20)), remote: private(16)}
		case 4:
			x = rule{out: true, protocol: "tcp", first: p, last: p, remote: private(20)}
		case 5:
			x = rule{remote: private(20)}
		case 6:
			x = rule{allow: true, protocol: "udp", first: p, last: p}
		case 7:
			x = rule{out: true, remote: private(32)}
		}
		rules = append(rules, x)
	}
	return append(rules, rule{allow: true, protocol: "tcp", first: servicePort, last: servicePort}, rule{allow: true, protocol: "udp", first: servicePort, last: servicePort})
}

// mix is how many of a hundred prefixes of a list have which length.
type mix []struct{ bits, share int }

var (
	blocklist = mix{{32, 60}, {24, 22}, {22, 4}, {20, 2}, {28, 3}, {29, 3}, {30, 3}, {25, 3}} // as public ones are
	singles   = mix{{32, 100}}
)

// listedPlan is some rules and a list of n entries. Another turn is another list.
func listedPlan(n int, of mix, turn int) *plan {
	return &plan{rules: rulesOf(listedRules), list: listOf(n, of, turn), listed: true, singles: len(of) == 1}
}

// listOf makes n prefixes of a mix, from all over the public addresses.
func listOf(n int, of mix, turn int) []netip.Prefix {
	r := rand.New(rand.NewPCG(uint64(2+turn), uint64(n)))
	var all []netip.Prefix
	for len(all) < n {
		for range (n - len(all)) * 11 / 10 {
			share := r.IntN(100)
			for _, m := range of {
				if share -= m.share; share < 0 {
					all = append(all, netip.PrefixFrom(public(r), m.bits).Masked())
					break
				}
			}
		}
		all = withoutOverlaps(all)
	}
	// What is cut must not be the highest addresses only.
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:n]
	sortPrefixes(all)
	return all
}

// public is a random address that no private or special range has.
func public(r *rand.Rand) netip.Addr {
	for {
		a := netip.AddrFrom4([4]byte{byte(11 + r.IntN(200)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		b := a.As4()
		if b[0] != 127 && b[0] != 172 && b[0] != 192 && b[0] != 198 && b[0] != 169 && b[0] != 100 {
			return a
		}
	}
}

func sortPrefixes(all []netip.Prefix) {
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
}

func withoutOverlaps(all []netip.Prefix) []netip.Prefix {
	sortPrefixes(all)
	kept := all[:0]
	for _, p := range all {
		if len(kept) == 0 || !kept[len(kept)-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// has tells whether the list holds an address.
func (p *plan) has(a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(p.list, a, func(x netip.Prefix, a netip.Addr) int { return x.Addr().Compare(a) })
	return found || i > 0 && p.list[i-1].Contains(a)
}

// changed is the list with so many entries less and so many others more, and what they are.
func (p *plan) changed(n, turn int) (next *plan, added, removed []netip.Prefix) {
	r := rand.New(rand.NewPCG(3, uint64(turn)))
	gone := map[int]bool{}
	for len(gone) < n {
		gone[r.IntN(len(p.list))] = true
	}
	var list []netip.Prefix
	for i, x := range p.list {
		if gone[i] {
			removed = append(removed, x)
		} else {
			list = append(list, x)
		}
	}
	for len(added) < n {
		if a := public(r); !p.has(a) {
			added = append(added, netip.PrefixFrom(a, 32))
		}
	}
	copied := *p
	copied.list = withoutOverlaps(append(list, added...))
	return &copied, added, removed
}

// sources are addresses to send from, in random order: on the list, or on none and in no rule.
func (p *plan) sources(listed bool) []uint32 {
	r := rand.New(rand.NewPCG(4, 0))
	all := make([]uint32, 1<<16)
	for i := range all {
		var a netip.Addr
		if listed {
			x := p.list[r.IntN(len(p.list))]
			first := x.Addr().As4()
			n := binary.BigEndian.Uint32(first[:]) | uint32(r.Uint64()&(1<<(32-x.Bits())-1))
			all[i] = n
			continue
		}
		for a = public(r); p.has(a); a = public(r) {
		}
		four := a.As4()
		all[i] = binary.BigEndian.Uint32(four[:])
	}
	return all
}

func texts(prefixes []netip.Prefix) []string {
	var all []string
	for _, p := range prefixes {
		all = append(all, bare(p))
	}
	return all
}

// ports is the ports of a rule as most programs write a range; sep is what stands in it.
func (r rule) ports(sep string) string {
	if r.first == r.last {
		return fmt.Sprint(r.first)
	}
	return fmt.Sprint(r.first, sep, r.last)
}

// lines is the list as text, one entry a line.
func (p *plan) lines(format string) string {
	var b strings.Builder
	for _, x := range p.list {
		fmt.Fprintf(&b, format, bare(x))
	}
	return b.String()
}

// bare is a prefix as people write it: without the length where it is a single address.
func bare(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
