package policy

import (
	"net/netip"
	"time"
)

// Field is one fact about a flow, which need not be known. The zero value is absent: a rule that asks for it does not
// match.
type Field[T any] struct {
	value T
	state fieldState
}

type fieldState uint8

const (
	absent fieldState = iota
	known
	anything
	unknown
)

// Known is a fact.
func Known[T any](v T) Field[T] { return Field[T]{value: v, state: known} }

// Anything stands for every value: a rule that asks for one matches.
func Anything[T any]() Field[T] { return Field[T]{state: anything} }

// Unknown is a value that the flow has and that cannot be learned: a rule that asks for one may match.
func Unknown[T any]() Field[T] { return Field[T]{state: unknown} }

// Get gives the value, where it is known.
func (f Field[T]) Get() (T, bool) { return f.value, f.state == known }

// Flow is the packet that opens a connection, as far as rules can ask about it.
type Flow struct {
	Direction Direction
	Family    Family
	Protocol  Protocol

	// Source and Destination are those of the packet: for In the source is remote, for Out it is local. Those after DNAT.
	Source, Destination Field[netip.Addr]
	// SourcePort and DestinationPort are looked at for TCP, UDP and SCTP.
	SourcePort, DestinationPort Field[uint16]
	// ICMPType is looked at for ICMP and ICMPv6.
	ICMPType Field[uint8]
	// InInterface is absent for Out, OutInterface for In.
	InInterface, OutInterface Field[string]
	// User and Group are those of the local socket, for Out.
	User, Group Field[uint32]
	// Unit is the systemd unit and App the executable of the local process.
	Unit, App Field[string]
	// Time is when the packet comes, in the location by whose clock schedules are read.
	Time Field[time.Time]
	// Banned says that the remote is banned at that time.
	Banned bool
	// Over says what the kernel's counters make of the packet: the bound that it is over of a rule. What is not said is
	// within.
	Over map[Name]Bound
	// Names knows which addresses names have; nil is no address of any.
	Names Naming
	// UnderWay says that it was opened before, when names may have had other addresses.
	UnderWay bool
}

// answer is what a criterion says of a flow.
type answer uint8

const (
	_ answer = iota
	no
	maybe
	yes
)

// ask puts one criterion to one field; any says that the criterion asks for nothing.
func ask[T any](f Field[T], any bool, holds func(T) bool) answer {
	if any {
		return yes
	}
	switch f.state {
	case absent:
		return no
	case anything:
		return yes
	case unknown:
		return maybe
	case known:
		if holds(f.value) {
			return yes
		}
		return no
	}
	panic("policy: field state")
}
