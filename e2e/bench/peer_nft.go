package main

import (
	"fmt"
	"strings"
)

// Packets that are dropped as early as can be, and those that only pass conntrack: what no firewall can do better than.
var (
	noRules = peer{name: "no rules", floor: true, enforce: func(*stage, *plan) (enforced, cost, error) { return script{}, cost{}, nil }}

	bareDrop = peer{name: "drop at ingress", floor: true, needs: []string{"nft"}, enforce: func(s *stage, _ *plan) (enforced, cost, error) {
		return load(script{s, func(*plan) string {
			return `table netdev bench { chain ingress { type filter hook ingress device "eth0" priority 0; meta l4proto udp drop; }; }`
		}}, nil)
	}}

	conntrackOnly = peer{name: "conntrack only", floor: true, needs: []string{"nft"}, enforce: func(s *stage, _ *plan) (enforced, cost, error) {
		return load(script{s, func(*plan) string {
			return `table inet bench { chain input { type filter hook input priority 0; ct state established accept; }; }`
		}}, nil)
	}}

	nftByHand = peer{name: "nft by hand", needs: []string{"nft"}, slow: func(p *plan) bool { return len(p.list) > 10_000 }, enforce: func(s *stage, p *plan) (enforced, cost, error) {
		return load(script{s, nftScript}, p)
	}}
)

// script is what `nft -f` put in force; the zero script is nothing.
type script struct {
	stage *stage
	text  func(*plan) string
}

func load(x script, p *plan) (enforced, cost, error) {
	c, err := x.replace(p)
	return x, c, err
}

func (x script) replace(p *plan) (cost, error) {
	path, err := x.stage.write("rules.nft", x.text(p))
	if err != nil {
		return cost{}, err
	}
	return x.stage.command("", "nft", "-f", path)
}

func (x script) change(_ *plan, added, removed []string) (cost, error) {
	path, err := x.stage.write("change.nft", fmt.Sprintf("delete element inet filter unwanted { %s }\nadd element inet filter unwanted { %s }\n",
		strings.Join(removed, ", "), strings.Join(added, ", ")))
	if err != nil {
		return cost{}, err
	}
	return x.stage.command("", "nft", "-f", path)
}

func (script) pid() int     { return 0 }
func (script) close() error { return nil }

// nftScript is a stateful ruleset as people write it by hand, a line for each rule.
func nftScript(p *plan) string {
	var b strings.Builder
	// The first line makes the second work where the table is not there yet.
	b.WriteString("table inet filter {}\ndelete table inet filter\ntable inet filter {\n")
	if p.listed {
		b.WriteString("set unwanted { type ipv4_addr; flags interval;")
		if len(p.list) > 0 {
			b.WriteString(" elements = {\n" + p.lines("%s,\n") + "}")
		}
		b.WriteString(" }\n")
	}
	for _, out := range []bool{false, true} {
		if out {
			b.WriteString("}\nchain output { type filter hook output priority filter; policy accept; ct state established,related accept\noifname lo accept\n")
		} else {
			b.WriteString("chain input { type filter hook input priority filter; policy drop; ct state vmap { established : accept, related : accept, invalid : drop }\n" +
				"iifname lo accept\nicmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept\n")
		}
		end := map[bool]string{false: "saddr", true: "daddr"}[out]
		if p.listed {
			fmt.Fprintf(&b, "ip %s @unwanted drop\n", end)
		}
		for _, r := range p.rules {
			if r.out != out {
				continue
			}
			if r.remote.IsValid() {
				fmt.Fprintf(&b, "ip %s %s ", end, bare(r.remote))
			}
			if r.first != 0 {
				fmt.Fprintf(&b, "%s dport %s ", r.protocol, r.ports("-"))
			}
			b.WriteString(map[bool]string{false: "drop\n", true: "accept\n"}[r.allow])
		}
		if p.log && !out {
			b.WriteString("log group 100 snaplen 128 queue-threshold 64\n")
		}
	}
	b.WriteString("}\n}\n")
	return b.String()
}
