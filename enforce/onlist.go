package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/google/nftables/expr"

	"pfw/config/policy"
)

// maskedIn looks the first bits of an address up in a hash. The family must have been asked for.
type maskedIn struct {
	family policy.Family
	end    end
	bits   int
	not    bool
	set    string
}

func (s maskedIn) width() int {
	if s.family == policy.IPv4 {
		return 32
	}
	return 128
}

func (s maskedIn) text() string {
	mask := ""
	if s.bits < s.width() {
		mask = " & " + net.IP(net.CIDRMask(s.bits, s.width())).String()
	}
	return fmt.Sprintf("%s%s %s@%s", addressWord(s.family, s.end), mask, negation(s.not), s.set)
}

func (s maskedIn) exprs() []expr.Any {
	out := []expr.Any{addressLoad(s.family, s.end)}
	if s.bits < s.width() {
		n := s.width() / 8
		out = append(out, &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(n),
			Mask: net.CIDRMask(s.bits, s.width()), Xor: make([]byte, n)})
	}
	return append(out, inSet(s.set, s.not))
}

// onList asks for an address of a long list: near must hold and then one of any. That is more than one rule can ask, so it
// stands in a rule until unfold makes rules of it.
type onList struct {
	family    policy.Family
	near, any []statement
}

func (s onList) text() string {
	words := func(list []statement) (out []string) {
		for _, x := range list {
			out = append(out, x.text())
		}
		return out
	}
	return strings.Join(append(words(s.near), "("+strings.Join(words(s.any), " | ")+")"), " ")
}

func (s onList) exprs() []expr.Any { panic("enforce: a long list that was not unfolded") }

// avoids asks for an address that is near no entry, so that it is none. Some that are near one are none either. A hash that
// is edited in place holds more for a moment, and never less.
func (s onList) avoids() maskedIn {
	one := s.any[0]
	if len(s.near) > 0 {
		one = s.near[0]
	}
	m := one.(maskedIn) // what is not asked for near is in one hash alone
	m.not = true
	return m
}

// unfold makes rules of what asks for long lists: a rule that asks whether the address is near any entry jumps to a chain,
// in which one rule asks for each part of the list and then does what the rule did. The parts have no address in common,
// so that it is done once at most.
func (c *compiler) unfold(chains []chain) []chain {
	u := unfolding{c: c, made: map[string]bool{}}
	for _, c := range chains {
		c.rules = u.rules(c.name, c.rules)
		u.chains = append(u.chains, c)
	}
	return u.chains
}

type unfolding struct {
	c      *compiler
	chains []chain
	made   map[string]bool
}

func (u *unfolding) rules(of string, rules []rule) []rule {
	if !slices.ContainsFunc(rules, asksList) {
		return rules
	}
	var out []rule
	for _, r := range rules {
		out = append(out, u.rule(of, r))
	}
	return out
}

func asksList(r rule) bool {
	return slices.ContainsFunc(r.statements, func(s statement) bool { _, ok := s.(onList); return ok })
}

func (u *unfolding) rule(of string, r rule) rule {
	at := slices.IndexFunc(r.statements, func(s statement) bool { _, ok := s.(onList); return ok })
	if at < 0 {
		return r
	}
	l := r.statements[at].(onList)
	before, after := slices.Clone(r.statements[:at]), slices.Clone(r.statements[at+1:])
	// What is cheaper to ask comes first.
	for len(after) > 0 && cheap(after[0]) {
		before, after = append(before, after[0]), after[1:]
	}
	before = append(before, l.near...)
	if len(l.any) == 1 {
		return u.rule(of, rule{slices.Concat(before, l.any, after), r.comment})
	}
	var rules []rule
	for _, part := range l.any {
		// With the family, which nft would add to a rule that does not ask for it.
		rules = append(rules, u.rule(of, rule{statements: append([]statement{familyIs{l.family}, part}, after...)}))
	}
	return rule{append(before, jumpTo{u.chain(of, after, rules)}), r.comment}
}

// chain gives the chain of these rules, which may be there. It is named by them, behind the chain that its packets end in,
// "in/bad/listed_", or where that is not known the chain that asks.
func (u *unfolding) chain(of string, after []statement, rules []rule) string {
	if len(after) > 0 {
		if g, ok := after[len(after)-1].(goTo); ok {
			of = g.chain
		}
	}
	name := of + "/listed_" + u.c.digest(rules)
	if !u.made[name] {
		u.made[name] = true
		u.chains = append(u.chains, chain{name: name, rules: rules, fixed: true})
	}
	return name
}

// number counts the long lists, for digest.
func (c *compiler) number(list string) {
	if !slices.Contains(c.lists, list) {
		c.lists = append(c.lists, list, fmt.Sprint("list", len(c.lists)/2+1))
		c.numbered = strings.NewReplacer(c.lists...)
	}
}

// digest names a chain by its rules. In it, long lists are told apart by their number and not by what is on them: so the
// rules stay as they are where a list is edited in place.
func (c *compiler) digest(rules []rule) string {
	sum := sha256.New()
	for _, r := range rules {
		io.WriteString(sum, c.numbered.Replace(r.text())+"\n")
	}
	return hex.EncodeToString(sum.Sum(nil)[:10])
}

// cheap tells of a condition that costs less than a lookup in a long list.
func cheap(s statement) bool {
	switch s := s.(type) {
	case interfaceIs, familyIs, impliedFamily, protocolIs, impliedProtocol, addressIn, portIn, icmpTypeIs, ownerIs:
		return true
	case lookup:
		return s.question.dimension != bySource && s.question.dimension != byDestination
	}
	return false
}
