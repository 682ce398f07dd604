package enforce

import (
	"context"
	"net/netip"

	"pfw/config/policy"
)

// Tuple is one way of a connection, with the addresses that rules see: after DNAT, before SNAT.
type Tuple struct {
	Protocol            policy.Protocol
	Source, Destination netip.AddrPort
}

// Connection is an entry of conntrack.
type Connection struct {
	// Tuple is the way of the packet that opened the connection. Ports are zero where the protocol has none.
	Tuple
	// Direction is zero for what stays on this machine, which is not judged.
	Direction policy.Direction
	// ICMPType is that of the opening packet, for ICMP and ICMPv6.
	ICMPType uint8
	// Original and Reply are the tuples as conntrack has them.
	Original, Reply Tuple
	// Confirmed says that a packet of it has passed. Assured that both ends have spoken.
	Confirmed, Assured bool
	// Sent and Received count from the opener's end; zero where conntrack does not account.
	Sent, Received Counter
}

// Flow is the connection as the policy judges it: interface and owner are not known, nor is the time.
func (c *Connection) Flow() policy.Flow { return policy.Flow{} }

// Connections lists what conntrack knows in this network namespace.
func (t *Table) Connections(ctx context.Context) ([]Connection, error) { return nil, nil }

// Cut ends connections: conntrack forgets them, and for a while their packets are dropped in both directions.
func (t *Table) Cut(ctx context.Context, list []Connection) error { return nil }

// Cuts lists the connections whose packets are dropped, one tuple for each.
func (t *Table) Cuts(ctx context.Context) ([]Tuple, error) { return nil, nil }

// Uncut stops dropping packets of connections that Cut ended.
func (t *Table) Uncut(ctx context.Context, list []Tuple) error { return nil }

// Keep lets packets of open connections that conntrack does not know pass for a while, in both directions, so that
// it learns them. A TCP packet that would open a connection does not pass by it.
func (t *Table) Keep(ctx context.Context, list []Tuple) error { return nil }
