package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/names"
	"pfw/daemon/procs"
	"pfw/enforce"
)

// Connections tells what this machine listens at and talks to, who holds each socket, and what the policy in force says
// of it.
func (d *Daemon) Connections(ctx context.Context) (api.Connections, error) {
	done, err := d.alone(ctx)
	if err != nil {
		return api.Connections{}, err
	}
	defer done()
	l, err := d.look(ctx, time.Now())
	if err != nil {
		return api.Connections{}, err
	}
	defer l.units.Close() // a directory that was only read
	out := make([]api.Connection, 0, len(l.sockets))
	for _, s := range l.sockets {
		out = append(out, l.tell(s))
	}
	slices.SortStableFunc(out, inOrder)
	return api.Connections{Connections: out}, nil
}

// look is a view of all sockets at one moment, with what is needed to tell of each.
type look struct {
	now       time.Time
	policy    *policy.Policy
	reacher   *policy.Reacher
	bans      *bans
	names     *names.Book
	sockets   []procs.Socket
	listeners procs.Listeners
	holders   procs.Holders
	units     *procs.Units
	within    map[int]string // units of processes
	users     *users
	own       addresses
	hears     map[procs.Protocol]*policy.AddressSet
	devices   map[uint32]string
	tracked   map[ends]*tracked
}

// tracked is a connection as conntrack has it, by the socket that is one of its ends here.
type tracked struct {
	enforce.Connection
	// direction is that of this end.
	direction policy.Direction
}

func (d *Daemon) look(ctx context.Context, now time.Time) (*look, error) {
	p := d.enforced(d.force.Load().policy)
	l := &look{now: now, policy: p, reacher: p.Reacher(now), bans: d.bans, names: d.domains.book, users: newUsers(), within: map[int]string{}}
	known, kept, err := d.connections(ctx)
	if err != nil {
		return nil, err
	}
	l.tracked = map[ends]*tracked{}
	for _, list := range [][]enforce.Connection{kept, known} {
		for _, c := range list {
			l.track(c)
		}
	}
	all, err := procs.Sockets()
	if err != nil {
		return nil, err
	}
	l.sockets = once(all)
	l.listeners = procs.NewListeners(all)
	if l.holders, err = procs.ReadHolders(); err != nil {
		return nil, err
	}
	if err := l.interfaces(); err != nil {
		return nil, err
	}
	l.units, err = procs.OpenUnits()
	return l, err
}

// track enters a connection for each of its ends on this machine: what stays on it has two.
func (l *look) track(c enforce.Connection) {
	opener, opened := c, c
	opener.Direction, opened.Direction = policy.Out, policy.In
	switch c.Direction {
	case 0:
		l.tracked[localEnds(&opener)] = &tracked{c, policy.Out}
		l.tracked[localEnds(&opened)] = &tracked{c, policy.In}
	case policy.Out, policy.In:
		l.tracked[localEnds(&c)] = &tracked{c, c.Direction}
	case policy.Forward: // neither end is here
	}
}

// once leaves out sockets that the kernel listed twice, as they changed their state meanwhile: the later holds.
func once(all []procs.Socket) []procs.Socket {
	at := make(map[uint64]int, len(all))
	var out []procs.Socket
	for _, s := range all {
		if i, ok := at[s.Cookie]; ok {
			out[i] = s
			continue
		}
		at[s.Cookie] = len(out)
		out = append(out, s)
	}
	return out
}

// interfaces learns names, and the addresses at which a socket hears that is bound to none: of UDP also groups and
// broadcast.
func (l *look) interfaces() (err error) {
	if l.own, err = localAddresses(); err != nil {
		return err
	}
	var tcp, udp policy.AddressBuilder
	for a := range l.own {
		if !a.IsLoopback() {
			err = cmp.Or(err, tcp.Add(a, a), udp.Add(a, a))
		}
	}
	for _, many := range []string{"224.0.0.0/4", "255.255.255.255/32", "ff00::/8"} {
		err = cmp.Or(err, udp.AddPrefix(netip.MustParsePrefix(many)))
	}
	if err != nil {
		return fmt.Errorf("list local addresses: %w", err)
	}
	l.hears = map[procs.Protocol]*policy.AddressSet{procs.TCP: tcp.Set(), procs.UDP: udp.Set()}
	all, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	l.devices = map[uint32]string{}
	for _, i := range all {
		l.devices[uint32(i.Index)] = i.Name
	}
	return nil
}

// tell puts together what is known of a socket.
func (l *look) tell(s procs.Socket) api.Connection {
	c := api.Connection{
		Proto: s.Protocol.String(), State: stateOf(s), V6Only: s.V6Only, UID: s.UID,
		LocalIP: s.Local.Addr(), LocalPort: s.Local.Port(), Interface: l.devices[s.Device], Unit: l.units.Of(s.CgroupID),
	}
	l.holder(s, &c)
	if s.Listening() {
		l.reach(s, &c)
		return c
	}
	c.RemoteIP, c.RemotePort = s.Remote.Addr(), s.Remote.Port()
	l.standing(s, &c)
	return c
}

// holder tells whose socket it is.
func (l *look) holder(s procs.Socket, c *api.Connection) {
	if s.Inode == 0 {
		return // the kernel's alone
	}
	c.User = l.users.name(s.UID)
	list := l.holders.Of(s.Inode)
	if len(list) == 0 {
		return
	}
	c.PID, c.Exe = list[0].PID, list[0].Exe
	if len(list) > 1 {
		for _, p := range list {
			c.PIDs = append(c.PIDs, p.PID)
		}
	}
	if c.Unit == "" {
		c.Unit = l.unitOf(c.PID)
	}
}

// unitOf asks once for each process, which may hold thousands of sockets.
func (l *look) unitOf(pid int) string {
	unit, ok := l.within[pid]
	if !ok {
		unit = procs.UnitOfProcess(pid)
		l.within[pid] = unit
	}
	return unit
}

// stateOf names the state as ss does, in whole words.
func stateOf(s procs.Socket) string {
	switch {
	case s.Protocol == procs.UDP && s.State == procs.Close:
		return "unconn"
	case s.State == procs.FinWait1:
		return "fin-wait-1"
	case s.State == procs.FinWait2:
		return "fin-wait-2"
	}
	return strings.ToLower(strings.ReplaceAll(s.State.String(), "_", "-"))
}

// inOrder puts what listens first, by port, then what the policy refuses, then the rest by program and remote.
func inOrder(a, b api.Connection) int {
	rank := func(c api.Connection) int {
		switch {
		case c.Reach != nil:
			return 0
		case c.Verdict != policy.Allow.String():
			return 1
		}
		return 2
	}
	if by := cmp.Compare(rank(a), rank(b)); by != 0 {
		return by
	}
	if a.Reach != nil {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.LocalPort, b.LocalPort), a.LocalIP.Compare(b.LocalIP),
			cmp.Compare(a.PID, b.PID))
	}
	return cmp.Or(cmp.Compare(a.Exe, b.Exe), cmp.Compare(a.PID, b.PID), a.RemoteIP.Compare(b.RemoteIP),
		cmp.Compare(a.RemotePort, b.RemotePort), cmp.Compare(a.LocalPort, b.LocalPort))
}
