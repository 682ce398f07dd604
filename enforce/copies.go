package enforce

import (
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// Where a rule names a domain, what this machine asks of the DNS and what it is answered is copied to a group of nflog. That
// stands first in a chain: what stays on this machine, as with a resolver of its own, is accepted right after it, and answers
// belong to connections that are there. Only what comes on the way back of a connection that this machine opened is copied;
// whether it answers a question that was asked is for the reader to say.

// AnswersGroup is the group of nflog for a policy whose rules name domains; ok is false where none does.
func AnswersGroup(p *policy.Policy) (group uint16, ok bool) {
	return p.Log().Group + 2, len(p.Named()) > 0
}

// The chains of what is copied, and the port that both are known by.
const (
	questionsChain, answersChain = "dns/questions", "dns/answers"
	dnsPort                      = 53
)

// copying gives the rule that leads to what is copied; none where no rule names a domain. What passes through to other
// machines is not looked at: whoever asks there could teach this one what they like.
func (c *compiler) copying(d policy.Direction) []rule {
	if _, ok := AnswersGroup(c.policy); !ok {
		return nil
	}
	port := policy.PortRange{First: dnsPort, Last: dnsPort}
	switch d {
	case policy.In:
		return []rule{{statements: []statement{portIn{end: source, one: port}, jumpTo{answersChain}}}}
	case policy.Out:
		return []rule{{statements: []statement{portIn{end: destination, one: port}, jumpTo{questionsChain}}}}
	case policy.Forward:
		return nil
	}
	panic(fmt.Sprintf("enforce: direction %d", uint8(d)))
}

// copies makes the chains of what is copied.
func (c *compiler) copies() {
	group, ok := AnswersGroup(c.policy)
	if !ok {
		return
	}
	for _, x := range []struct {
		chain string
		way   sentBack
	}{{questionsChain, sentBack{not: true}}, {answersChain, sentBack{}}} {
		ch := chain{name: x.chain}
		for _, p := range []policy.Protocol{policy.UDP, policy.TCP} {
			ch.rules = append(ch.rules, rule{statements: []statement{protocolIs{p}, x.way, copyTo{group}}})
		}
		c.chains = append(c.chains, ch)
	}
}

// sentBack asks whether the packet goes the way back of a connection.
type sentBack struct{ not bool }

func (s sentBack) text() string {
	if s.not {
		return "ct direction original"
	}
	return "ct direction reply"
}

func (s sentBack) exprs() []expr.Any {
	// enum ip_conntrack_dir: IP_CT_DIR_ORIGINAL is 0, IP_CT_DIR_REPLY 1.
	way := byte(1)
	if s.not {
		way = 0
	}
	return []expr.Any{&expr.Ct{Key: expr.CtKeyDIRECTION, Register: register}, equals(way)}
}

// copyTo hands the whole packet to a group of nflog, at once.
type copyTo struct{ group uint16 }

// copyBytes holds an answer of 4096 bytes, and most of what TCP hands over in one piece.
const copyBytes = 16 << 10

func (s copyTo) text() string {
	return fmt.Sprintf("log group %d snaplen %d queue-threshold 1", s.group, copyBytes)
}

func (s copyTo) exprs() []expr.Any {
	return []expr.Any{&expr.Log{
		Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_SNAPLEN | 1<<unix.NFTA_LOG_QTHRESHOLD,
		Group: s.group, Snaplen: copyBytes, QThreshold: 1,
	}}
}
