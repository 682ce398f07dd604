package enforce

import (
	"fmt"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// verdict ends the packet's way through the table. The zero value is invalid.
type verdict uint8

const (
	_ verdict = iota
	accept
	drop
)

func (s verdict) text() string {
	switch s {
	case accept:
		return "accept"
	case drop:
		return "drop"
	}
	panic(fmt.Sprintf("enforce: verdict %d", uint8(s)))
}

func (s verdict) exprs() []expr.Any {
	switch s {
	case accept:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	case drop:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	}
	panic(fmt.Sprintf("enforce: verdict %d", uint8(s)))
}

// goTo hands the packet to another chain for good.
type goTo struct{ chain string }

func (s goTo) text() string { return "goto " + s.chain }

func (s goTo) exprs() []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: s.chain}}
}

// jumpTo hands the packet to another chain, and goes on with it where that decides nothing.
type jumpTo struct{ chain string }

func (s jumpTo) text() string { return "jump " + s.chain }

func (s jumpTo) exprs() []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: s.chain}}
}

// giveBack ends a chain that was jumped to: it decides nothing.
type giveBack struct{}

func (giveBack) text() string { return "return" }

func (giveBack) exprs() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}} }

// count adds the packet to a named counter, which lives on when rules are swapped.
type count struct{ counter string }

func (s count) text() string { return fmt.Sprintf("counter name %q", s.counter) }

func (s count) exprs() []expr.Any {
	return []expr.Any{&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: s.counter}}
}

// overRate asks whether more packets than the rate come this way: a token bucket.
type overRate struct {
	packets uint32
	per     string
	unit    expr.LimitTime
	burst   uint32 // the number in the rate, as firewall.toml has it
}

// newOverRate spells a rate in a unit that the kernel has: packets a day where the time is none of its units.
func newOverRate(r policy.Rate) overRate {
	switch r.Per {
	case time.Second:
		return overRate{r.Packets, "second", expr.LimitTimeSecond, r.Packets}
	case time.Minute:
		return overRate{r.Packets, "minute", expr.LimitTimeMinute, r.Packets}
	case time.Hour:
		return overRate{r.Packets, "hour", expr.LimitTimeHour, r.Packets}
	case 24 * time.Hour:
		return overRate{r.Packets, "day", expr.LimitTimeDay, r.Packets}
	}
	return overRate{perDay(r), "day", expr.LimitTimeDay, r.Packets}
}

// perDay is the rate in the unit that loses least of an odd time; at least 1, as 0 means no limit to the kernel.
func perDay(r policy.Rate) uint32 {
	n := float64(r.Packets) * float64(24*time.Hour) / float64(max(r.Per, 1))
	return uint32(min(max(n, 1), 1<<32-1))
}

func (s overRate) text() string {
	return fmt.Sprintf("limit rate over %d/%s burst %d packets", s.packets, s.per, s.burst)
}

func (s overRate) exprs() []expr.Any {
	return []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(s.packets), Unit: s.unit, Burst: s.burst, Over: true}}
}

// logTo hands the beginning of the packet to a group of nflog, with a tag.
type logTo struct {
	tag   Tag
	group uint16
}

// Of each packet as much is copied as holds all headers that an entry tells of; the kernel waits for so many packets
// before it wakes the reader, whose timeout bounds the wait.
const logBytes, logQueue = 128, 64

func (s logTo) text() string { return logText(s.tag.String(), s.group, s.queue()) }

func (s logTo) exprs() []expr.Any { return logExprs(s.tag.String(), s.group, s.queue()) }

// queue is for how many packets the kernel waits: for none where one tells of a ban, with which pfwd has more to do.
func (s logTo) queue() uint32 {
	if s.tag.Over.Bound == policy.ByBan {
		return 1
	}
	return logQueue
}

func logText(prefix string, group uint16, queue uint32) string {
	return fmt.Sprintf("log prefix %q group %d snaplen %d queue-threshold %d", prefix, group, logBytes, queue)
}

func logExprs(prefix string, group uint16, queue uint32) []expr.Any {
	return []expr.Any{&expr.Log{
		Key:   1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_SNAPLEN | 1<<unix.NFTA_LOG_QTHRESHOLD,
		Data:  []byte(prefix),
		Group: group, Snaplen: logBytes, QThreshold: uint16(queue),
	}}
}

// answer refuses with a packet that says so. The zero value is invalid.
type answer uint8

const (
	_               answer = iota
	tcpReset               // TCP must have been asked for
	adminProhibited        // ICMP or ICMPv6 by family
)

func (s answer) text() string {
	switch s {
	case tcpReset:
		return "reject with tcp reset"
	case adminProhibited:
		return "reject with icmpx admin-prohibited"
	}
	panic(fmt.Sprintf("enforce: answer %d", uint8(s)))
}

func (s answer) exprs() []expr.Any {
	switch s {
	case tcpReset:
		return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}
	case adminProhibited:
		return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
	}
	panic(fmt.Sprintf("enforce: answer %d", uint8(s)))
}
