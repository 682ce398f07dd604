package enforce

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Finding is something outside pfw's table that a person should know of.
type Finding struct{ Text string }

// Foreign lists other nftables tables that refuse packets too, and translation of destinations that takes packets around
// rules for in. It looks in the network namespace of the calling thread. What iptables put in force by its legacy
// interface is not seen.
func Foreign(ctx context.Context) ([]Finding, error) {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", err)
	}
	out, err := foreign(ctx, c)
	if closing := c.CloseLasting(); err == nil {
		err = closing
	}
	return out, err
}

func foreign(ctx context.Context, c *nftables.Conn) ([]Finding, error) {
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	var names []string
	tables := map[string]*foreignTable{}
	for _, ch := range chains {
		if ch.Table.Name == tableName && ch.Table.Family == nftables.TableFamilyINet {
			continue
		}
		name := familyText(ch.Table.Family) + " " + ch.Table.Name
		if tables[name] == nil {
			tables[name] = &foreignTable{}
			names = append(names, name)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rules, err := c.GetRules(ch.Table, ch)
		if err != nil {
			return nil, fmt.Errorf("list rules of table %s: %w", name, err)
		}
		tables[name].look(ch, rules)
	}
	var out []Finding
	for _, name := range names {
		out = append(out, tables[name].findings(name)...)
	}
	return out, nil
}

// foreignTable is what is to be said of a table.
type foreignTable struct {
	filters   []string // chains at a hook through which this machine's packets pass
	refuses   bool     // a rule or a chain's policy does
	translate []string // chains that change where packets go
}

func (t *foreignTable) look(ch *nftables.Chain, rules []*nftables.Rule) {
	refuses, translates := false, false
	for _, r := range rules {
		for _, e := range r.Exprs {
			switch e := e.(type) {
			case *expr.Verdict:
				refuses = refuses || e.Kind == expr.VerdictDrop
			case *expr.Reject:
				refuses = true
			case *expr.NAT:
				translates = translates || e.Type == expr.NATTypeDestNAT
			case *expr.Redir:
				translates = true
			case *expr.Target: // iptables over nftables
				refuses = refuses || e.Name == "REJECT"
				translates = translates || e.Name == "DNAT" || e.Name == "REDIRECT"
			}
		}
	}
	if ch.Type == nftables.ChainTypeFilter && ch.Hooknum != nil && passes(*ch.Hooknum) {
		t.filters = append(t.filters, ch.Name)
		refuses = refuses || ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop
	}
	t.refuses = t.refuses || refuses
	// A chain at no hook may be one that the chain at the hook hands packets to.
	if translates && (ch.Hooknum == nil || *ch.Hooknum == unix.NF_INET_PRE_ROUTING) {
		t.translate = append(t.translate, ch.Name)
	}
}

func passes(h nftables.ChainHook) bool {
	return slices.Contains([]nftables.ChainHook{unix.NF_INET_PRE_ROUTING, unix.NF_INET_LOCAL_IN, unix.NF_INET_FORWARD, unix.NF_INET_LOCAL_OUT, unix.NF_INET_POST_ROUTING}, h)
}

func (t *foreignTable) findings(name string) []Finding {
	var out []Finding
	if t.refuses && len(t.filters) > 0 {
		out = append(out, Finding{fmt.Sprintf("table %s refuses packets too (chain %s): what pfw allows may still not pass", name, strings.Join(t.filters, ", "))})
	}
	if len(t.translate) > 0 {
		out = append(out, Finding{fmt.Sprintf("table %s sends packets that come in on to other addresses (chain %s): what leaves this machine again is forwarded and goes around rules for in", name, strings.Join(t.translate, ", "))})
	}
	return out
}

func familyText(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyINet:
		return "inet"
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	case nftables.TableFamilyARP:
		return "arp"
	case nftables.TableFamilyNetdev:
		return "netdev"
	case nftables.TableFamilyBridge:
		return "bridge"
	}
	return fmt.Sprintf("family %d", f)
}
