package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
	"pfw/daemon/procs"
)

// mostWarnings bounds what one load says in the log: a list of thousands may have hundreds of entries twice.
const mostWarnings = 10

// warn says what a person should know of a policy that came into force.
func (d *Daemon) warn(ctx context.Context) {
	f := d.force.Load()
	for i, w := range f.warnings {
		if i == mostWarnings {
			d.log.Warn("there are more warnings; pfw check shows them all", "more", len(f.warnings)-i)
			break
		}
		d.log.Warn(w.String())
	}
	d.foreign.look(ctx)
	d.status()
}

// warnLockout looks for people who are logged in over ssh and could not log in again. It comes before their connections
// are cut, as it would not see them after.
func (d *Daemon) warnLockout(p *policy.Policy) {
	d.faults.clear(lockout)
	peers, err := procs.SSHPeers()
	if err != nil {
		d.log.Warn("open ssh connections not looked at", "error", err)
		return
	}
	own, err := localAddresses()
	if err != nil {
		d.log.Warn("open ssh connections not looked at", "error", err)
		return
	}
	told := map[netip.Addr]bool{}
	for _, s := range peers {
		peer := s.Remote.Addr()
		if told[peer] || own.has(peer) {
			continue
		}
		decision := login(p, s, own, time.Now())
		if !decision.Verdict.Refuses() {
			continue
		}
		told[peer] = true
		d.log.Warn("whoever is logged in over ssh could not log in again", "from", peer, "port", s.Local.Port(), "why", decision.Reason)
	}
	if len(told) == 0 {
		return
	}
	d.faults.set(lockout, "logged in over ssh, and could not log in again: "+joinAddresses(told),
		fmt.Sprintf("add before the rule that refuses it: [[rule]] name = \"ssh-me\" action = \"allow\" direction = \"in\" protocol = \"tcp\" port = %d remote = %q",
			peers[0].Local.Port(), joinAddresses(told)))
}

func joinAddresses(set map[netip.Addr]bool) string {
	var list []string
	for a := range set {
		list = append(list, a.String())
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
