package enforce

import (
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// bannedEnd asks whether an end is banned. An IPv6 address is looked up by its /64.
type bannedEnd struct {
	family policy.Family
	end    end
}

func (s bannedEnd) text() string {
	return fmt.Sprintf("%s @%s", remoteWord(s.family, s.end), ofFamily(bannedSet, s.family))
}

func (s bannedEnd) exprs() []expr.Any {
	return append(remoteLoad(s.family, s.end, register), inSet(ofFamily(bannedSet, s.family), false))
}

// tupleIn asks whether the packet's protocol, addresses and ports are one entry of a set. The family must have been asked
// for; of a protocol without ports no entry is made, so whatever stands at their place is not found.
type tupleIn struct {
	family policy.Family
	set    string
}

func (s tupleIn) text() string {
	return fmt.Sprintf("meta l4proto . %s . th sport . %s . th dport @%s",
		addressWord(s.family, source), addressWord(s.family, destination), ofFamily(s.set, s.family))
}

func (s tupleIn) exprs() []expr.Any {
	// Each part begins at a register of four bytes, as in an element's key.
	next := uint32(unix.NFT_REG32_00)
	take := func(bytes uint32) uint32 {
		r := next
		next += (bytes + 3) / 4
		return r
	}
	from, to := addressLoad(s.family, source), addressLoad(s.family, destination)
	out := []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: take(1)}}
	from.DestRegister = take(from.Len)
	out = append(out, from, portLoad(source, take(2)))
	to.DestRegister = take(to.Len)
	return append(out, to, portLoad(destination, take(2)),
		&expr.Lookup{SourceRegister: unix.NFT_REG32_00, SetName: ofFamily(s.set, s.family)})
}
