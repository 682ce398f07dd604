// Package audit keeps what the firewall did: entries with a sequence number, the newest of them in memory, and sinks (a file of
// JSON lines, the journal) that take them down without ever holding up whoever appends. What a sink cannot take is counted by rule
// and told by the sink itself in an entry "lost", so that for every rule the packets in the file add up to the packets appended.
package audit

import (
	"net/netip"
	"time"
)

// Entry is one line of the audit log, in the field names of Suricata's EVE format; a field that is zero is not known and not
// printed. Rule, action, direction and severity are plain words, as entries outlive the policy that made them.
type Entry struct {
	Timestamp   time.Time // microseconds, UTC
	Seq         uint64    // assigned by Log.Append; zero of what is shown and not logged
	EventType   EventType
	Direction   string // in, out, forward
	InIface     string
	OutIface    string
	Proto       string       // as ProtoName spells it
	SrcIP       netip.Prefix // Host(addr), or the /64 that a ban of IPv6 holds
	SrcPort     Opt[uint16]
	DestIP      netip.Addr
	DestPort    Opt[uint16]
	CommunityID string
	ICMPType    Opt[uint8]
	ICMPCode    Opt[uint8]
	TCPFlags    TCPFlags
	PacketLen   int // bytes of the whole IP packet, header included
	Signature   *Signature
	PFW         PFW
}

// Signature is what an Alert matched: EVE's "alert".
type Signature struct {
	ID, GID, Rev uint32
	Text         string
	Category     string
	Severity     uint32 // 1 is high, 2 medium, 3 and more low
	Action       string // allowed, or blocked where the alert has a consequence
}

// PFW is what EVE has no field for.
type PFW struct {
	Action     string // allow, block, reject
	Rule       string // the rule's name, or default
	Reason     string
	Severity   string // low, medium, high
	Over       string // the bound of the rule that the packet was over: limit, connections, ban, full (a ban for which there was no room)
	Name       string // what the DNS was asked for, when it gave the other end's address
	UID        Opt[uint32]
	User       string
	PID        int
	Exe        string
	Unit       string
	Count      uint64 // packets, in Suppressed and Lost; of other events: the entries that this one sums up, in the journal only
	Since      time.Time
	Until      time.Time
	Generation uint64
}

// Opt is a number that may be unknown, where zero is a value like any other: uid 0, ICMP type 0.
type Opt[T uint8 | uint16 | uint32] struct {
	V     T
	Known bool
}

// Known is a number that is known.
func Known[T uint8 | uint16 | uint32](v T) Opt[T] { return Opt[T]{V: v, Known: true} }

// Host is one address as Entry.SrcIP holds it.
func Host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// Account is what a packet is counted under: rule "default" is another account inbound than outbound.
type Account struct {
	Rule      string
	Direction string
	Action    string
	Over      string // what is over a rule's bounds is counted for itself
}

// Account is where the packets that e stands for are counted; the zero Account where the rule is not known.
func (e *Entry) Account() Account {
	return Account{Rule: e.PFW.Rule, Direction: e.Direction, Action: e.PFW.Action, Over: e.PFW.Over}
}

// Weight is how many packets e stands for: one or those that it sums up, the count of Suppressed and Lost, and none for what is no
// packet (a ban, a cut connection, a reload), so that a rule's weights add up to its packet counter.
func (e *Entry) Weight() uint64 {
	switch e.EventType {
	case Drop, Allow:
		return max(1, e.PFW.Count)
	case Suppressed, Lost:
		return e.PFW.Count
	case Ban, Unban, Alert, Cut, Reload, Tamper, Panic:
		return 0
	default:
		panic("audit: weight of " + e.EventType.String())
	}
}
