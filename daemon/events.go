package daemon

import (
	"fmt"

	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// events turns what one nflog group says into audit entries. It serves one goroutine.
type events struct {
	d     *Daemon
	tags  map[string]tagged
	users *users
	// owners finds who sent what goes out.
	owners *owners
	// strangers is set once a message came that pfw's table did not log.
	strangers bool
}

// tagged is a log prefix that was read, with what all its packets share.
type tagged struct {
	tag enforce.Tag
	key accountKey
	err error
}

// tagsKept bounds the memory of prefixes: rules come and go by reloads, and others may log to the group.
const tagsKept = 8192

func (d *Daemon) newEvents() *events {
	return &events{d: d, tags: map[string]tagged{}, users: newUsers(), owners: newOwners(d.log)}
}

// logged writes the entry of one packet.
func (ev *events) logged(m *nflog.Message) {
	if s, ok := enforce.ParseSeen(m.Prefix); ok {
		ev.d.sighted(s, m)
		return
	}
	t := ev.tag(m.Prefix)
	if t.err != nil {
		if !ev.strangers {
			ev.strangers = true
			ev.d.log.Warn("somebody else's rules log to pfw's nflog group; choose another with [log] group", "error", t.err)
		}
		return
	}
	e := entryOf(t.tag, m)
	ev.d.nameEnd(&e)
	if e.PFW.UID.Known {
		e.PFW.User = ev.users.name(e.PFW.UID.V)
		o := ev.owners.of(m)
		e.PFW.PID, e.PFW.Exe, e.PFW.Unit = o.pid, o.exe, o.unit
	}
	if t.tag.Over.Bound != 0 {
		ev.d.bans.told(t.tag, m, e.PFW.Reason)
	}
	if !t.tag.Written {
		ev.d.audit.Show(e)
		return
	}
	ev.d.audit.Append(e)
	ev.d.accounts.received(t.key, m.Timestamp)
}

func (ev *events) tag(prefix string) tagged {
	t, ok := ev.tags[prefix]
	if !ok {
		tag, err := enforce.ParseTag(prefix)
		t = tagged{tag, accountKey{}, err}
		if err == nil {
			t.key = keyOf(tag)
		}
		if len(ev.tags) >= tagsKept {
			clear(ev.tags)
		}
		ev.tags[prefix] = t
	}
	return t
}

// entryOf says what became of a packet, and why.
func entryOf(t enforce.Tag, m *nflog.Message) audit.Entry {
	p := &m.Packet
	e := audit.Entry{
		Timestamp: m.Timestamp, EventType: audit.Drop, Direction: t.Direction.String(),
		InIface: m.InIface, OutIface: m.OutIface, PacketLen: p.Length,
		PFW: audit.PFW{Action: t.Action.String(), Rule: string(t.Rule), Severity: t.Severity.String()},
	}
	if t.Action == policy.Allow {
		e.EventType = audit.Allow
	}
	// A packet that cannot be read was blocked all the same, so it has an entry.
	if m.PacketError == nil {
		e.Proto = audit.ProtoName(p.Protocol)
		e.SrcIP, e.DestIP = audit.Host(p.Source), p.Destination
		e.CommunityID = nflog.CommunityID(p)
		if p.HasPorts {
			e.SrcPort, e.DestPort = audit.Known(p.SourcePort), audit.Known(p.DestinationPort)
		}
		if p.HasICMP {
			e.ICMPType, e.ICMPCode = audit.Known(p.ICMPType), audit.Known(p.ICMPCode)
		}
		if p.HasTCPFlags {
			e.TCPFlags = audit.TCPFlags(p.TCPFlags)
		}
	}
	if t.Direction == policy.Out && m.UIDKnown {
		e.PFW.UID = audit.Known(m.UID)
	}
	if t.Kind == enforce.ByDefault {
		e.PFW.Rule = defaultRule
		e.PFW.Reason = fmt.Sprintf("no rule matches, and the default for %s is to %s", t.Direction, t.Action)
	} else {
		e.PFW.Reason = reasonOf(t, p)
		if t.Over.Bound != 0 {
			e.PFW.Over = t.Over.Bound.String()
		}
	}
	return e
}

// reasonOf says why the rule did what it did to a packet.
func reasonOf(t enforce.Tag, p *nflog.Packet) string {
	if t.Over != (policy.Over{}) {
		return t.Over.Reason(t.Rule, subject(p))
	}
	return "rule " + string(t.Rule) + " " + t.Action.Verb() + " " + subject(p)
}

// subject names what the packet wants, as Decide does.
func subject(p *nflog.Packet) string {
	f := policy.Flow{Protocol: policy.Protocol(p.Protocol)}
	if p.HasPorts {
		f.DestinationPort = policy.Known(p.DestinationPort)
	}
	if p.HasICMP {
		f.ICMPType = policy.Known(p.ICMPType)
	}
	return f.Subject()
}
