package daemon

import (
	"context"
	"net/netip"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/daemon/procs"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// cut ends the connections that the policy in force refuses, and lets those go on again that were cut before and are
// allowed now. change is held. That it fails is told and undoes nothing: the policy holds for what is new in any case.
func (d *Daemon) cut(ctx context.Context, now time.Time) {
	err := d.uncut(ctx, now)
	if err == nil {
		err = d.cutRefused(ctx, now)
	}
	if err != nil {
		d.log.Error("open connections not judged by the new policy", "error", err)
		d.faults.set(uncut, "connections that the policy forbids may go on: "+err.Error(), "pfw reload tries again; a reboot ends them")
		return
	}
	d.faults.clear(uncut)
}

func (d *Daemon) cutRefused(ctx context.Context, now time.Time) error {
	p := d.force.Load().policy
	list, err := d.table.Connections(ctx)
	if err != nil {
		return err
	}
	var refused []enforce.Connection
	var why []policy.Decision
	for _, c := range list {
		if c.Direction == 0 {
			continue
		}
		f := c.Flow()
		f.Time = policy.Known(now)
		if decision, sure := p.Refused(f); sure {
			refused, why = append(refused, c), append(why, decision)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	if err := d.table.Cut(ctx, refused); err != nil {
		return err
	}
	sockets, err := procs.Sockets()
	if err != nil {
		return err
	}
	byEnds := map[ends]procs.Socket{}
	for _, s := range sockets {
		if !s.Listening() {
			byEnds[ends{s.Protocol, s.Local, s.Remote}] = s
		}
	}
	for i, c := range refused {
		d.audit.Append(cutEntry(c.Tuple, c.Direction, c.ICMPType, why[i]))
		if s, ok := byEnds[localEnds(&c)]; ok {
			// Its packets are dropped already: this only spares both ends a long wait.
			if err := procs.Destroy(s); err != nil {
				d.log.Warn("socket of a connection that was cut stays open", "error", err)
			}
		}
	}
	d.log.Info("open connections cut, as the policy forbids them", "connections", len(refused))
	return nil
}

// ends names a connection by its socket on this machine.
type ends struct {
	protocol      procs.Protocol
	local, remote netip.AddrPort
}

// localEnds gives what the socket of a connection shows, which knows nothing of address translation on its way.
func localEnds(c *enforce.Connection) ends {
	if c.Direction == policy.Out {
		return ends{procs.Protocol(c.Protocol), c.Original.Source, c.Original.Destination}
	}
	return ends{procs.Protocol(c.Protocol), c.Reply.Source, c.Reply.Destination}
}

// cutEntry tells of a connection that was ended.
func cutEntry(t enforce.Tuple, direction policy.Direction, icmpType uint8, why policy.Decision) audit.Entry {
	p := nflog.Packet{Protocol: uint8(t.Protocol), Source: t.Source.Addr(), Destination: t.Destination.Addr()}
	e := audit.Entry{
		EventType: audit.Cut, Direction: direction.String(), Proto: audit.ProtoName(p.Protocol),
		SrcIP: audit.Host(p.Source), DestIP: p.Destination,
		PFW: audit.PFW{Action: why.Verdict.String(), Rule: why.By, Reason: why.Reason, Severity: policy.Low.String()},
	}
	if t.Protocol.HasPorts() {
		p.SourcePort, p.DestinationPort, p.HasPorts = t.Source.Port(), t.Destination.Port(), true
		e.SrcPort, e.DestPort = audit.Known(p.SourcePort), audit.Known(p.DestinationPort)
	}
	if t.Protocol == policy.ICMP || t.Protocol == policy.ICMPv6 {
		p.ICMPType, p.HasICMP = icmpType, true
		e.ICMPType = audit.Known(icmpType)
	}
	e.CommunityID = nflog.CommunityID(&p)
	if why.Rule != nil {
		e.PFW.Severity = why.Rule.Severity.String()
	}
	return e
}

// uncut lets go on what was cut and is not surely refused any more.
func (d *Daemon) uncut(ctx context.Context, now time.Time) error {
	cuts, err := d.table.Cuts(ctx)
	if err != nil || len(cuts) == 0 {
		return err
	}
	own, err := localAddresses()
	if err != nil {
		return err
	}
	p := d.force.Load().policy
	var allowed []enforce.Tuple
	for _, t := range cuts {
		f := flowOf(t, own.direction(t))
		f.Time = policy.Known(now)
		if _, sure := p.Refused(f); !sure {
			allowed = append(allowed, t)
		}
	}
	if len(allowed) == 0 {
		return nil
	}
	return d.table.Uncut(ctx, allowed)
}
