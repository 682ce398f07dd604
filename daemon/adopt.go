package daemon

import (
	"context"
	"fmt"
	"time"

	"pfw/config/policy"
	"pfw/daemon/procs"
	"pfw/enforce"
)

// connection is a socket that was open before pfwd's first start. Conntrack need not know it: it begins to look with
// the first rule that asks it.
type connection struct {
	socket    procs.Socket
	tuple     enforce.Tuple
	direction policy.Direction
}

// openConnections lists the sockets that are connected to other machines, but for those that conntrack knows as other
// rules ask it: these, tracked says whether there are any, are left to cut. It must be asked before the first rule is
// there, from when on conntrack learns of connections by whichever packet comes first.
func (d *Daemon) openConnections(ctx context.Context) (untracked []connection, tracked bool) {
	list, err := d.table.Connections(ctx)
	if err != nil {
		d.cannotAdopt(err)
		return nil, true
	}
	known := map[enforce.Tuple]bool{}
	for _, c := range list {
		known[c.Original], known[c.Reply] = true, true
	}
	sockets, err := procs.Sockets()
	if err != nil {
		d.cannotAdopt(err)
		return nil, true
	}
	own, err := localAddresses()
	if err != nil {
		d.cannotAdopt(err)
		return nil, true
	}
	listeners := procs.NewListeners(sockets)
	for _, s := range sockets {
		// A connection that is being opened is judged by its packets; one that has ended needs no judgement.
		if s.Listening() || s.State == procs.TimeWait || s.State == procs.SynSent || own.has(s.Remote.Addr()) {
			continue
		}
		c := connection{socket: s, direction: policy.Out}
		if _, came := listeners.Accepted(s); came {
			c.direction = policy.In
		}
		c.tuple = tupleOf(s, c.direction)
		if !known[c.tuple] {
			untracked = append(untracked, c)
		}
	}
	return untracked, len(list) > 0
}

func (d *Daemon) cannotAdopt(err error) {
	d.log.Warn("connections that were open before are not judged; those that conntrack does not know may break", "error", err)
}

// adopt judges connections that are older than the policy: what it refuses for sure is ended, the rest goes on. change
// is held.
func (d *Daemon) adopt(ctx context.Context, list []connection) {
	if len(list) == 0 {
		return
	}
	p := d.force.Load().policy
	now := time.Now()
	var kept []enforce.Tuple
	ended := 0
	for _, c := range list {
		f := c.flow(now)
		f.Names, f.UnderWay = d.domains.book, true
		_, _, f.Banned = d.bans.of(&f, now)
		why, sure := p.Refused(f)
		if !sure {
			kept = append(kept, c.tuple)
			continue
		}
		if err := procs.Destroy(c.socket); err != nil {
			d.log.Warn("a connection that the policy forbids may go on", "error", err)
			d.faults.set(uncut, fmt.Sprintf("the connection %s is forbidden and may go on: %v", c.socket, err), "end the program that holds it")
		}
		e := cutEntry(c.tuple, c.direction, 0, why)
		d.nameEnd(&e)
		d.audit.Append(e)
		ended++
	}
	if err := inParts(kept, func(some []enforce.Tuple) error { return d.table.Keep(ctx, some) }); err != nil {
		d.cannotAdopt(err)
	}
	if len(kept)+ended > 0 {
		d.log.Info("connections that were open before are judged", "kept", len(kept), "cut", ended)
	}
}

// flow is what is known of the connection. Its time is now: what counts is whether it may be open.
func (c *connection) flow(now time.Time) policy.Flow {
	f := flowOf(c.tuple, c.direction)
	f.Time = policy.Known(now)
	if c.direction == policy.Out && c.socket.Inode != 0 {
		f.User = policy.Known(c.socket.UID)
	}
	return f
}
