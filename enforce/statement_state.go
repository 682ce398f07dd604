package enforce

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// conntrackIs asks what conntrack makes of the packet. The zero value is invalid.
type conntrackIs uint8

const (
	_           conntrackIs = iota
	isFollowing             // a reply, or related to a connection
	isInvalid
	isNew
	isConfirmed // an earlier packet of the connection has passed; never true of what conntrack does not track
)

func (s conntrackIs) text() string {
	switch s {
	case isFollowing:
		return "ct state established,related"
	case isInvalid:
		return "ct state invalid"
	case isNew:
		return "ct state new"
	case isConfirmed:
		return "ct status confirmed"
	}
	panic(fmt.Sprintf("enforce: conntrack question %d", uint8(s)))
}

// ctStatusConfirmed is IPS_CONFIRMED (include/uapi/linux/netfilter/nf_conntrack_common.h).
const ctStatusConfirmed = 1 << 3

func (s conntrackIs) exprs() []expr.Any {
	key, bits := expr.CtKeySTATE, uint32(0)
	switch s {
	case isFollowing:
		bits = expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED
	case isInvalid:
		bits = expr.CtStateBitINVALID
	case isNew:
		bits = expr.CtStateBitNEW
	case isConfirmed:
		key, bits = expr.CtKeySTATUS, ctStatusConfirmed
	default:
		panic(fmt.Sprintf("enforce: conntrack question %d", uint8(s)))
	}
	return []expr.Any{
		&expr.Ct{Key: key, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		differs(make([]byte, 4)...),
	}
}

// metaTime is NFT_META_TIME_NS: the wall clock in nanoseconds since 1970 (include/uapi/linux/netfilter/nf_tables.h).
const metaTime = expr.MetaKey(30)

// loadTime reads the clock in the byte order in which more is later.
func loadTime() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: metaTime, Register: register},
		&expr.Byteorder{SourceRegister: register, DestRegister: register, Op: expr.ByteorderHton, Len: 8, Size: 8},
	}
}

// beforeTime asks whether a moment is still to come.
type beforeTime struct{ at second }

func (s beforeTime) text() string { return fmt.Sprintf("meta time < \"%d\"", s.at) }

func (s beforeTime) exprs() []expr.Any {
	return append(loadTime(), &expr.Cmp{Op: expr.CmpOpLt, Register: register, Data: s.at.nanoseconds()})
}

// duringTimes asks whether the clock is in one of a set's windows.
type duringTimes struct{ set string }

func (s duringTimes) text() string { return "meta time @" + s.set }

func (s duringTimes) exprs() []expr.Any { return append(loadTime(), inSet(s.set, false)) }

// second is a moment as both forms of a rule can say it: nft reads whole seconds since 1970 whatever the time zone, and
// the kernel counts nanoseconds.
type second uint64

// lastSecond is the last whole second that 64 bits of nanoseconds hold, in the year 2554.
const lastSecond = second((1<<64 - 1) / uint64(time.Second))

// secondOf gives the nearest moment that the kernel's clock can show. Parts of a second are cut off.
func secondOf(t time.Time) second {
	if t.Unix() <= 0 {
		return 0
	}
	return min(second(t.Unix()), lastSecond)
}

func (s second) nanoseconds() []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(s)*uint64(time.Second))
}

// answerless asks whether the packet is for many: nobody answers that. The kernel's routes tell.
type answerless struct{}

// answerlessSet holds the types of address that are not answered.
const answerlessSet = "answerless"

func (answerless) text() string { return "fib daddr type @" + answerlessSet }

func (answerless) exprs() []expr.Any {
	return []expr.Any{&expr.Fib{Register: register, FlagDADDR: true, ResultADDRTYPE: true}, inSet(answerlessSet, false)}
}

// The types of address that are not answered: RTN_BROADCAST, RTN_ANYCAST and RTN_MULTICAST.
var answerlessTypes = []uint32{unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST}
