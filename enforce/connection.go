package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// Tuple is one way of a connection: who sends what to whom. Ports are zero where the protocol has none.
type Tuple struct {
	Protocol            policy.Protocol
	Source, Destination netip.AddrPort
}

// Reversed is the way back.
func (t Tuple) Reversed() Tuple { return Tuple{t.Protocol, t.Destination, t.Source} }

// Connection is an entry of conntrack.
type Connection struct {
	// Tuple is the way of the packet that opened the connection, with the addresses that rules see: after the
	// destination's translation, before the source's.
	Tuple
	// Direction is zero for what stays on this machine, which is not judged.
	Direction policy.Direction
	// ICMPType is that of the opening packet, for ICMP and ICMPv6.
	ICMPType uint8
	// Original and Reply are the ways as conntrack has them, so as they are on the wire of either side.
	Original, Reply Tuple
	// OriginalBytes and ReplyBytes are what went either way, headers included. Counted tells whether conntrack counts
	// them: nf_conntrack_acct was on when the connection was opened.
	OriginalBytes, ReplyBytes uint64
	Counted                   bool

	entry conntrack.Flow
}

// Flow is the connection as the policy judges it. What conntrack does not know is unknown: the interface and the owner. Its
// time is left to the caller.
func (c *Connection) Flow() policy.Flow {
	f := policy.Flow{
		Direction: c.Direction, Family: familyOf(c.Source.Addr()), Protocol: c.Protocol,
		Source: policy.Known(c.Source.Addr()), Destination: policy.Known(c.Destination.Addr()),
		Unit: policy.Unknown[string](), App: policy.Unknown[string](),
	}
	if c.Protocol.HasPorts() {
		f.SourcePort, f.DestinationPort = policy.Known(c.Source.Port()), policy.Known(c.Destination.Port())
	}
	if c.Protocol == policy.ICMP || c.Protocol == policy.ICMPv6 {
		f.ICMPType = policy.Known(c.ICMPType)
	}
	if c.Direction != policy.Out {
		f.InInterface = policy.Unknown[string]()
	}
	if c.Direction != policy.In {
		f.OutInterface = policy.Unknown[string]()
	}
	if c.Direction == policy.Out {
		f.User, f.Group = policy.Unknown[uint32](), policy.Unknown[uint32]()
	}
	return f
}

func familyOf(a netip.Addr) policy.Family {
	if a.Is4() {
		return policy.IPv4
	}
	return policy.IPv6
}

// Connections lists the open connections that conntrack knows. Those of TCP that have ended and only wait to be forgotten
// are left out.
func (t *Table) Connections(ctx context.Context) ([]Connection, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, err := t.localAddresses()
	if err != nil {
		return nil, err
	}
	// A dump walks all of conntrack's hash table, 10 ms where that is large, to find it empty; so it is at boot, when the
	// network waits for the policy.
	if n, err := t.socket.tracked(); n == 0 || err != nil {
		return nil, err
	}
	flows, err := t.conntrack.Dump(nil)
	if err != nil {
		return nil, fmt.Errorf("list conntrack's entries: %w", err)
	}
	var out []Connection
	for i := range flows {
		if c := connectionOf(&flows[i]); !ended(&flows[i]) {
			c.Direction = own.direction(c.Tuple)
			out = append(out, c)
		}
	}
	return out, nil
}

// connectionOf sorts an entry's addresses. Where the destination was translated, rules see the new one, from which the
// replies come; where the source was, they see the old one, from which the first packet came.
func connectionOf(f *conntrack.Flow) Connection {
	c := Connection{
		Original: tupleOf(f.TupleOrig), Reply: tupleOf(f.TupleReply),
		ICMPType: f.TupleOrig.Proto.ICMPType,
		// The packet that opened the connection is counted, so there is at least one.
		OriginalBytes: f.CountersOrig.Bytes, ReplyBytes: f.CountersReply.Bytes, Counted: f.CountersOrig.Packets > 0,
		// The library takes an entry without its reply for IPv4.
		entry: conntrack.Flow{TupleOrig: f.TupleOrig, TupleReply: f.TupleReply, ID: f.ID, Zone: f.Zone},
	}
	c.Tuple = Tuple{c.Original.Protocol, c.Original.Source, c.Reply.Source}
	return c
}

func tupleOf(t conntrack.Tuple) Tuple {
	return Tuple{
		Protocol:    policy.Protocol(t.Proto.Protocol),
		Source:      netip.AddrPortFrom(t.IP.SourceAddress, t.Proto.SourcePort),
		Destination: netip.AddrPortFrom(t.IP.DestinationAddress, t.Proto.DestinationPort),
	}
}

// The states of a TCP connection that is over: TCP_CONNTRACK_TIME_WAIT and TCP_CONNTRACK_CLOSE
// (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
const tcpTimeWait, tcpClose = 7, 8

func ended(f *conntrack.Flow) bool {
	return f.ProtoInfo.TCP != nil && (f.ProtoInfo.TCP.State == tcpTimeWait || f.ProtoInfo.TCP.State == tcpClose)
}

// Cut ends connections: their packets are dropped for a while in both directions, and conntrack forgets them. The first
// alone would leave replies established, the second alone would let the next packet open the connection anew.
func (t *Table) Cut(ctx context.Context, list []Connection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var tuples []Tuple
	for i := range list {
		tuples = append(tuples, list[i].Tuple)
	}
	return errors.Join(t.enter(ctx, cutSet, tuples), t.untrack(list))
}

// Untrack has conntrack forget connections whose packets are dropped for another reason: what comes of one after that opens
// it anew, which TCP cannot in its middle.
func (t *Table) Untrack(list []Connection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.untrack(list)
}

func (t *Table) untrack(list []Connection) error {
	var errs []error
	for i := range list {
		// Gone by itself meanwhile is as good.
		if err := t.conntrack.Delete(list[i].entry); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("delete conntrack's entry of %s %s to %s: %w",
				list[i].Protocol, list[i].Source, list[i].Destination, err))
		}
	}
	return errors.Join(errs...)
}

// Cuts lists the connections whose packets are dropped, each as it was opened.
func (t *Table) Cuts(ctx context.Context) ([]Tuple, error) {
	return t.opened(ctx, cutSet)
}

// Uncut lets packets of connections that were cut pass again, as far as the rules let them.
func (t *Table) Uncut(ctx context.Context, list []Tuple) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leave(ctx, cutSet, list)
}
