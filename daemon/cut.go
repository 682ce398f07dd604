package daemon

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/daemon/procs"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// cut ends the connections that the policy in force or a ban refuses, and lets those go on again that were cut before and
// are allowed now. change is held. That it fails is told and undoes nothing: the policy holds for what is new in any case.
func (d *Daemon) cut(ctx context.Context, now time.Time) {
	d.cutting.Lock()
	defer d.cutting.Unlock()
	d.sparePeers(ctx)
	d.bans.met.Store(true)
	err := d.uncut(ctx, now)
	if err == nil {
		err = d.cutRefused(ctx, now, nil)
	}
	if err != nil {
		d.notCut(err)
		return
	}
	d.faults.clear(uncut)
}

// cutBanned ends the connections of those who were banned since the last cut. Their packets are dropped already, that of a
// reset too: the program here learns at once that the connection has ended, the other end when its time is over.
func (d *Daemon) cutBanned(ctx context.Context) {
	d.cutting.Lock()
	defer d.cutting.Unlock()
	if d.bans.met.Swap(true) {
		return
	}
	// Who asked may go away; half of it must not stay.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	d.sparePeers(ctx)
	if err := d.cutRefused(ctx, time.Now(), func(_ *enforce.Connection, f *policy.Flow) bool { return f.Banned }); err != nil {
		d.notCut(err)
	}
}

func (d *Daemon) notCut(err error) {
	d.log.Error("open connections not judged by the policy in force", "error", err)
	d.faults.set(uncut, "connections that the policy forbids may go on: "+err.Error(), "pfw reload tries again; a reboot ends them")
}

// cutRefused ends what is refused, or of that only what some connections are; nil is all. cutting is held.
func (d *Daemon) cutRefused(ctx context.Context, now time.Time, only func(*enforce.Connection, *policy.Flow) bool) error {
	tracked, kept, err := d.connections(ctx)
	if err != nil {
		return err
	}
	p := d.force.Load().policy
	var sockets map[ends]procs.Socket
	// end gives what refused the connection, "" where nothing does.
	end := func(c *enforce.Connection) (by string, err error) {
		if c.Direction == 0 {
			return "", nil // it stays on this machine
		}
		f := c.Flow()
		f.Time, f.Names, f.UnderWay = policy.Known(now), d.domains.book, true
		_, _, f.Banned = d.bans.of(&f, now)
		if only != nil && !only(c, &f) {
			return "", nil
		}
		why, sure := p.Refused(f)
		if !sure {
			return "", nil
		}
		if sockets == nil {
			if sockets, err = connected(); err != nil {
				return "", err
			}
		}
		// First, so that its reset still reaches the other end, which else would wait for long.
		if s, ok := sockets[localEnds(c)]; ok {
			if err := procs.Destroy(s); err != nil {
				d.log.Warn("socket of a connection that was cut stays open", "error", err)
			}
		}
		e := cutEntry(c.Tuple, c.Direction, c.ICMPType, why)
		d.nameEnd(&e)
		d.audit.Append(e)
		return why.By, nil
	}

	var cut, banned []enforce.Connection
	var unkept []enforce.Tuple
	for i := range tracked {
		c := &tracked[i]
		by, err := end(c)
		switch {
		case err != nil:
			return err
		case by == "":
			continue
		case by == policy.Banned.String():
			banned = append(banned, *c)
		default:
			cut = append(cut, *c)
		}
		unkept = append(unkept, c.Tuple)
	}
	idle := 0
	for i := range kept {
		by, err := end(&kept[i])
		if err != nil {
			return err
		}
		if by != "" {
			unkept = append(unkept, kept[i].Tuple)
			idle++
		}
	}
	if len(unkept) == 0 {
		return nil
	}
	if err := d.table.Unkeep(ctx, unkept); err != nil {
		return err
	}
	if err := inParts(cut, func(some []enforce.Connection) error { return d.table.Cut(ctx, some) }); err != nil {
		return err
	}
	// The ban drops their packets, for as long as it lasts.
	if err := d.table.Untrack(banned); err != nil {
		return err
	}
	d.log.Info("open connections cut, as the policy or a ban forbids them", "connections", len(cut)+len(banned)+idle)
	return nil
}

// part is how many connections go to the kernel at once. The set that takes them has an end: who comes before it is in,
// where all at once would leave all out.
const part = 8192

// inParts hands over the list in parts, all of it, and gives the first error.
func inParts[T any](list []T, do func(some []T) error) (first error) {
	for some := range slices.Chunk(list, part) {
		if err := do(some); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// connections lists those that conntrack knows, and those that are older than pfwd's first start and that it does not.
func (d *Daemon) connections(ctx context.Context) (tracked, kept []enforce.Connection, err error) {
	if tracked, err = d.table.Connections(ctx); err != nil {
		return nil, nil, err
	}
	older, err := d.table.Kept(ctx)
	if err != nil || len(older) == 0 {
		return tracked, nil, err
	}
	directions, err := d.table.Directions(older)
	if err != nil {
		return nil, nil, err
	}
	unknown := map[enforce.Tuple]policy.Direction{}
	for i, t := range older {
		unknown[t] = directions[i]
	}
	for i := range tracked {
		c := &tracked[i]
		back := c.Tuple.Reversed()
		if direction, ok := unknown[back]; ok {
			// The first packet that conntrack saw was an answer.
			c.Tuple, c.Direction = back, direction
			c.Original, c.Reply = c.Reply, c.Original
		}
		delete(unknown, c.Tuple)
	}
	for t, direction := range unknown {
		kept = append(kept, enforce.Connection{Tuple: t, Direction: direction, Original: t, Reply: t.Reversed()})
	}
	return tracked, kept, nil
}

// ends names a connection by its socket on this machine.
type ends struct {
	protocol      procs.Protocol
	local, remote netip.AddrPort
}

// connected lists the sockets that have another end.
func connected() (map[ends]procs.Socket, error) {
	sockets, err := procs.Sockets()
	if err != nil {
		return nil, err
	}
	out := map[ends]procs.Socket{}
	for _, s := range sockets {
		if !s.Listening() {
			out[ends{s.Protocol, s.Local, s.Remote}] = s
		}
	}
	return out, nil
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
	directions, err := d.table.Directions(cuts)
	if err != nil {
		return err
	}
	p := d.force.Load().policy
	var allowed []enforce.Tuple
	for i, t := range cuts {
		if directions[i] == 0 {
			// Both ends are this machine's own by now.
			allowed = append(allowed, t)
			continue
		}
		f := flowOf(t, directions[i])
		f.Time, f.Names, f.UnderWay = policy.Known(now), d.domains.book, true
		if _, sure := p.Refused(f); !sure {
			allowed = append(allowed, t)
		}
	}
	if len(allowed) == 0 {
		return nil
	}
	return d.table.Uncut(ctx, allowed)
}
