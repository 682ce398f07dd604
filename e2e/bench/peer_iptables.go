package main

import (
	"fmt"
	"strings"
)

// The two ways that iptables comes in; with a list it is kept by ipset.
var (
	iptablesNFT    = iptables("iptables-nft")
	iptablesLegacy = iptables("iptables-legacy")
)

func iptables(variant string) peer {
	return peer{name: variant, needs: []string{variant + "-restore"}, enforce: func(s *stage, p *plan) (enforced, cost, error) {
		x := tables{s, variant}
		c, err := x.replace(p)
		return x, c, err
	}}
}

// withIpset is a peer for plans with lists, which it keeps with ipset.
func withIpset(p peer) peer {
	p.name, p.needs = p.name+" + ipset", append(p.needs, "ipset")
	return p
}

// tables is what iptables-restore put in force.
type tables struct {
	stage   *stage
	variant string
}

func (x tables) replace(p *plan) (c cost, err error) {
	if p.listed {
		// The new set takes the place of the old one in one step, as ipset(8) has it.
		text := fmt.Sprintf("create -exist list hash:net maxelem 2000000\ncreate -exist next hash:net maxelem 2000000 hashsize %d\n%sswap list next\ndestroy next\n",
			max(1024, len(p.list)/4), p.lines("add next %s\n"))
		if c, err = x.ipset(text); err != nil {
			return c, err
		}
	}
	path, err := x.stage.write("rules.iptables", iptablesScript(p))
	if err != nil {
		return c, err
	}
	next, err := x.stage.command(path, x.variant+"-restore")
	return c.and(next), err
}

func (x tables) change(_ *plan, added, removed []string) (cost, error) {
	var b strings.Builder
	for _, a := range removed {
		fmt.Fprintf(&b, "del list %s\n", a)
	}
	for _, a := range added {
		fmt.Fprintf(&b, "add list %s\n", a)
	}
	return x.ipset(b.String())
}

func (x tables) ipset(text string) (cost, error) {
	path, err := x.stage.write("list.ipset", text)
	if err != nil {
		return cost{}, err
	}
	return x.stage.command(path, "ipset", "restore")
}

func (tables) pid() int     { return 0 }
func (tables) close() error { return nil }

// iptablesScript is for iptables-restore; iptables knows IPv4 alone.
func iptablesScript(p *plan) string {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n" +
		"-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n-A INPUT -i lo -j ACCEPT\n" +
		"-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A OUTPUT -o lo -j ACCEPT\n")
	if p.listed {
		b.WriteString("-A INPUT -m set --match-set list src -j DROP\n-A OUTPUT -m set --match-set list dst -j DROP\n")
	}
	for _, r := range p.rules {
		b.WriteString(r.iptables("INPUT", "OUTPUT"))
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// iptables is the rule as an option of iptables, in the chain for its direction.
func (r rule) iptables(in, out string) string {
	chain, end := in, "-s"
	if r.out {
		chain, end = out, "-d"
	}
	text := "-A " + chain
	if r.protocol != "" {
		text += fmt.Sprintf(" -p %s --dport %s", r.protocol, r.ports(":"))
	}
	if r.remote.IsValid() {
		text += fmt.Sprintf(" %s %s", end, bare(r.remote))
	}
	return text + map[bool]string{false: " -j DROP\n", true: " -j ACCEPT\n"}[r.allow]
}
