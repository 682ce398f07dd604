package daemon

import (
	"slices"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/procs"
	"pfw/enforce"
)

// standing tells what the policy in force says of a socket that has another end, as it is judged when a policy comes into
// force, and of one that is only being opened.
func (l *look) standing(s procs.Socket, c *api.Connection) {
	t := l.tracked[ends{s.Protocol, s.Local, s.Remote}]
	direction := l.direction(s, t)
	f := flowOf(tupleOf(s, direction), direction)
	if t != nil {
		if t.Direction != 0 {
			f = t.Flow()
		}
		if t.Counted {
			in, out := t.ReplyBytes, t.OriginalBytes
			if direction == policy.In {
				in, out = out, in
			}
			c.BytesIn, c.BytesOut = &in, &out
		}
	}
	f.Time, f.Names, f.UnderWay = policy.Known(l.now), l.names, s.State != procs.SynSent
	name := l.devices[s.Device]
	switch {
	case l.own.has(s.Remote.Addr()):
		name = "lo" // whatever the address
	case name == "":
		// What has no device may use any, and nearly always uses the one that has its address. So it is said; nothing is cut
		// on the strength of it.
		name = l.own[s.Local.Addr()]
	}
	if name != "" && direction == policy.Out {
		f.OutInterface = policy.Known(name)
	} else if name != "" {
		f.InInterface = policy.Known(name)
	}
	if direction == policy.Out && s.Inode != 0 {
		f.User = policy.Known(s.UID)
	}
	_, _, f.Banned = l.bans.of(&f, l.now)
	d := l.policy.Standing(f)
	c.Direction, c.Verdict, c.Rule = direction.String(), d.Verdict.String(), d.By
	c.Name = l.names.Name(s.Remote.Addr())
}

// direction tells who opened a connection: conntrack knows, else of TCP who listens gives it away. A UDP socket that
// conntrack knows nothing of has exchanged nothing lately; what it sends next would open one.
func (l *look) direction(s procs.Socket, t *tracked) policy.Direction {
	if t != nil {
		return t.direction
	}
	if _, came := l.listeners.Accepted(s); came {
		return policy.In
	}
	return policy.Out
}

// tupleOf is a socket's connection as it was opened.
func tupleOf(s procs.Socket, direction policy.Direction) enforce.Tuple {
	t := enforce.Tuple{Protocol: policy.Protocol(s.Protocol), Source: s.Local, Destination: s.Remote}
	if direction == policy.In {
		return t.Reversed()
	}
	return t
}

// reach tells from where a socket that waits for others can be reached under the policy in force.
func (l *look) reach(s procs.Socket, c *api.Connection) {
	local := s.Local.Addr()
	if local.IsLoopback() || l.devices[s.Device] == "lo" {
		c.Verdict, c.Rule, c.Reach = policy.Allow.String(), policy.Loopback.String(), &api.Reach{From: "loopback"}
		return
	}
	to := l.hears[s.Protocol]
	if !local.IsUnspecified() {
		var b policy.AddressBuilder
		if err := b.Add(local, local); err != nil {
			panic(err) // Socket has no zones, and no IPv4 written as IPv6
		}
		to = b.Set()
	}
	c.Reach = &api.Reach{}
	everybody, nobody := true, true
	for _, f := range l.families(s) {
		r := l.reacher.Of(policy.Listener{
			Family: f, Protocol: policy.Protocol(s.Protocol), Port: s.Local.Port(), Local: to, Interface: l.devices[s.Device],
		})
		everybody, nobody = everybody && r.Extent == policy.Anywhere, nobody && r.Extent == policy.Nowhere
		for _, o := range r.Openings {
			c.Reach.Remotes, c.Reach.Rules = append(c.Reach.Remotes, o.Remotes()), append(c.Reach.Rules, o.By)
			for _, x := range o.Except {
				c.Reach.Except = append(c.Reach.Except, x.Remotes())
			}
		}
		if nobody {
			last := r.Refusals[len(r.Refusals)-1]
			c.Verdict, c.Rule = last.Verdict.String(), last.By
		}
	}
	for _, list := range []*[]string{&c.Reach.Remotes, &c.Reach.Except, &c.Reach.Rules} {
		*list = distinct(*list)
	}
	switch {
	case nobody:
		c.Reach.From = policy.Nowhere.String()
		return
	case everybody:
		c.Reach.From, c.Reach.Except = policy.Anywhere.String(), nil
	default:
		c.Reach.From = policy.Some.String()
	}
	c.Verdict, c.Rule = policy.Allow.String(), c.Reach.Rules[0]
}

// families lists those that a socket hears, and in which this machine can be reached at all.
func (l *look) families(s procs.Socket) []policy.Family {
	own := policy.IPv6
	if s.Local.Addr().Is4() {
		own = policy.IPv4
	}
	if own == policy.IPv4 || !s.Local.Addr().IsUnspecified() || s.V6Only || l.hears[procs.TCP].Empty(policy.IPv4) {
		return []policy.Family{own}
	}
	if l.hears[procs.TCP].Empty(own) {
		return []policy.Family{policy.IPv4}
	}
	return policy.Families
}

// distinct leaves out what came before.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
