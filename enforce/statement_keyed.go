package enforce

import (
	"fmt"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// keyed is what a dynamic set is asked for, or holds: a remote and, where ports says so, the protocol and the destination port
// with it. The family must have been asked for and, with ports, a protocol that has them.
type keyed struct {
	family policy.Family
	end    end // of the remote
	ports  bool
}

func (s keyed) word() string {
	if s.ports {
		return remoteWord(s.family, s.end) + " . meta l4proto . th dport"
	}
	return remoteWord(s.family, s.end)
}

// load reads the key, and tells where to.
func (s keyed) load() (out []expr.Any, from uint32) {
	if !s.ports {
		return remoteLoad(s.family, s.end, register), register
	}
	// Each part begins at a register of four bytes, as in an element's key.
	next := unix.NFT_REG32_00 + addressLoad(s.family, s.end).Len/4
	return append(remoteLoad(s.family, s.end, unix.NFT_REG32_00),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: next}, portLoad(destination, next+1)), unix.NFT_REG32_00
}

// inDynamic asks whether a key is in a set.
type inDynamic struct {
	keyed
	set string
}

func (s inDynamic) text() string { return s.word() + " @" + s.set }

func (s inDynamic) exprs() []expr.Any {
	out, from := s.load()
	return append(out, &expr.Lookup{SourceRegister: from, SetName: s.set})
}

// intoDynamic puts a key into a set for a time. Where there is no room for it, the answer is no.
type intoDynamic struct {
	keyed
	set  string
	time time.Duration
}

func (s intoDynamic) text() string {
	return fmt.Sprintf("add @%s { %s timeout %ds }", s.set, s.word(), s.time/time.Second)
}

func (s intoDynamic) exprs() []expr.Any {
	out, from := s.load()
	return append(out, &expr.Dynset{SrcRegKey: from, SetName: s.set, Operation: unix.NFT_DYNSET_OP_ADD, Timeout: s.time})
}

// logSeen hands the beginning of a packet to a group of nflog, with what was seen of its remote, at once.
type logSeen struct {
	seen  Seen
	group uint16
}

func (s logSeen) text() string { return logText(s.seen.String(), s.group, 1) }

func (s logSeen) exprs() []expr.Any { return logExprs(s.seen.String(), s.group, 1) }
