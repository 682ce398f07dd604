package daemon

import (
	"fmt"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/procs"
	"pfw/enforce"
)

// session is the ssh connection that somebody asks over.
type session struct {
	socket procs.Socket
	own    addresses
}

// sessionOf finds the ssh session that a process runs in; nil where there is none, or it cannot be known, or is of this
// very machine.
func (d *Daemon) sessionOf(who api.Caller) *session {
	socket, over, err := procs.SSHSession(who.PID)
	if err != nil {
		d.log.Warn("whether this was asked over ssh is not known", "error", err)
	}
	if !over {
		return nil
	}
	own, err := localAddresses()
	if err != nil {
		d.log.Warn("whether this was asked over ssh is not known", "error", err)
		return nil
	}
	if own.has(socket.Remote.Addr()) {
		return nil
	}
	return &session{socket, own}
}

// lockedOutBy tells why whoever is in the session could not log in again under a policy, "" where they could.
func (s *session) lockedOutBy(p *policy.Policy, now time.Time) string {
	if s == nil {
		return ""
	}
	decision := login(p, s.socket, s.own, now)
	if !decision.Verdict.Refuses() {
		return ""
	}
	return fmt.Sprintf("you are logged in over ssh from %s, and could not log in again: %s", s.socket.Remote.Addr(), decision.Reason)
}

// login judges the connection by which a peer of ssh would log in again.
func login(p *policy.Policy, s procs.Socket, own addresses, now time.Time) policy.Decision {
	f := flowOf(enforce.Tuple{Protocol: policy.TCP, Source: s.Remote, Destination: s.Local}, policy.In)
	f.SourcePort = policy.Anything[uint16]()
	f.Time = policy.Known(now)
	// Packets of a peer nearly always come in by the interface that has the address it speaks to.
	if name, ok := own[s.Local.Addr()]; ok {
		f.InInterface = policy.Known(name)
	}
	return p.Decide(f)
}
