package enforce

import (
	"fmt"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// meter counts the packet in a set, at the element of its remote or at one for all, and asks whether it is over what the
// element bounds; or, where asked so, whether it is within. Where there is no room for one more element, the answer is no to
// either: what cannot be counted is not known to be within, and not known to be over.
type meter struct {
	set    string
	family policy.Family // 0: one element for all
	end    end           // of the remote
	// number tells the rule's elements from those of others in the same set; 0 where the set is the rule's alone.
	number uint32
	// timeout is for how long an element is kept since it was last counted at; 0: as long as it counts anything.
	timeout time.Duration
	bound   statement // overRate, withinRate or withinConnections
}

func (s meter) text() string {
	verb, keep := "add", ""
	if s.timeout > 0 {
		verb, keep = "update", fmt.Sprintf(" timeout %ds", s.timeout/time.Second)
	}
	return fmt.Sprintf("%s @%s { %s%s %s }", verb, s.set, s.key(), keep, s.bound.text())
}

func (s meter) key() string {
	// Any value will do to begin with, and nft takes no constant for a key.
	rule := "meta mark & 0x00000000"
	if s.number != 0 {
		rule += fmt.Sprintf(" | 0x%08x", s.number)
	}
	switch {
	case s.family == 0:
		return rule
	case s.number == 0:
		return remoteWord(s.family, s.end)
	}
	return rule + " . " + remoteWord(s.family, s.end)
}

func (s meter) exprs() []expr.Any {
	op := uint32(unix.NFT_DYNSET_OP_ADD)
	if s.timeout > 0 {
		op = unix.NFT_DYNSET_OP_UPDATE
	}
	return append(s.load(), &expr.Dynset{SrcRegKey: unix.NFT_REG32_00, SetName: s.set, Operation: op, Timeout: s.timeout, Exprs: s.bound.exprs()})
}

// load reads the key into the registers from NFT_REG32_00 on.
func (s meter) load() []expr.Any {
	var key []expr.Any
	next := uint32(unix.NFT_REG32_00)
	if s.family == 0 || s.number != 0 {
		rule := masked(next, make([]byte, 4))
		rule.Xor = nativeBytes(s.number)
		key = []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, Register: next}, rule}
		next++
	}
	if s.family != 0 {
		key = append(key, remoteLoad(s.family, s.end, next)...)
	}
	return key
}

// dynsetDelete is NFT_DYNSET_OP_DELETE (include/uapi/linux/netfilter/nf_tables.h).
const dynsetDelete = 2

// forget takes away what a meter counted of the packet's remote. The family must have been asked for.
type forget struct{ meter }

func (s forget) text() string { return fmt.Sprintf("delete @%s { %s }", s.set, s.key()) }

func (s forget) exprs() []expr.Any {
	return append(s.load(), &expr.Dynset{SrcRegKey: unix.NFT_REG32_00, SetName: s.set, Operation: dynsetDelete})
}

// remoteWord spells what stands for a remote: its address, or of IPv6 its /64.
func remoteWord(f policy.Family, e end) string {
	if f == policy.IPv6 {
		return addressWord(f, e) + " & ffff:ffff:ffff:ffff::"
	}
	return addressWord(f, e)
}

func remoteLoad(f policy.Family, e end, into uint32) []expr.Any {
	load := addressLoad(f, e)
	load.DestRegister = into
	out := []expr.Any{load}
	if f == policy.IPv6 {
		out = append(out, masked(into, append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 8)...)))
	}
	return out
}

// masked keeps some bits of what was loaded.
func masked(at uint32, mask []byte) *expr.Bitwise {
	return &expr.Bitwise{SourceRegister: at, DestRegister: at, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))}
}

// withinRate asks whether no more packets than the rate come this way.
type withinRate struct{ overRate }

func (s withinRate) text() string {
	return fmt.Sprintf("limit rate %d/%s burst %d packets", s.packets, s.per, s.burst)
}

func (s withinRate) exprs() []expr.Any {
	return []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(s.packets), Unit: s.unit, Burst: s.burst}}
}

// withinConnections asks whether no more connections are open than so many, with the one that the packet opens.
type withinConnections struct{ count uint32 }

func (s withinConnections) text() string { return fmt.Sprintf("ct count %d", s.count) }

func (s withinConnections) exprs() []expr.Any { return []expr.Any{&expr.Connlimit{Count: s.count}} }

// banEnd bans the remote at an end for a time. Where there is no room for one ban more, the answer is no. The family must have
// been asked for.
type banEnd struct {
	family policy.Family
	end    end
	time   time.Duration
}

func (s banEnd) text() string {
	return fmt.Sprintf("add @%s { %s timeout %ds }", ofFamily(bannedSet, s.family), remoteWord(s.family, s.end), s.time/time.Second)
}

func (s banEnd) exprs() []expr.Any {
	return append(remoteLoad(s.family, s.end, register),
		&expr.Dynset{SrcRegKey: register, SetName: ofFamily(bannedSet, s.family), Operation: unix.NFT_DYNSET_OP_ADD, Timeout: s.time})
}

// neverBanned asks whether the address at an end is this machine's own, or nobody's. The kernel's routes tell.
type neverBanned struct{ end end }

// spareSet holds the types of address that are never banned.
const spareSet = "spared"

func (s neverBanned) text() string {
	if s.end == source {
		return "fib saddr type @" + spareSet
	}
	return "fib daddr type @" + spareSet
}

func (s neverBanned) exprs() []expr.Any {
	return []expr.Any{&expr.Fib{Register: register, FlagSADDR: s.end == source, FlagDADDR: s.end == destination, ResultADDRTYPE: true}, inSet(spareSet, false)}
}

// spareTypes are RTN_LOCAL and those that nobody has alone.
var spareTypes = append([]uint32{unix.RTN_LOCAL}, answerlessTypes...)
