package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/audit"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// sighting is a remote that exceeds what a detector lets it do, with the packet that was too much.
type sighting struct {
	behaviour policy.Behaviour
	remote    netip.Prefix
	entry     audit.Entry
}

const (
	// mostSightings bounds those that wait; the kernel tells of each remote once in a while.
	mostSightings = 4096
	// sightingTime is how often an entry tells of the same remote.
	sightingTime = time.Minute
)

// gravity is how severe a behaviour is.
var gravity = map[policy.Behaviour]policy.Severity{policy.PortScan: policy.Medium, policy.SYNFlood: policy.High}

// sighted takes down what a detector's message says. It serves a reader of the log, and waits for nothing.
func (d *Daemon) sighted(s enforce.Seen, m *nflog.Message) {
	f := d.force.Load()
	if f == nil || m.PacketError != nil {
		return
	}
	remote, detector := enforce.Remote(m.Packet.Source), f.policy.Detect().Of(s.Behaviour)
	switch s.Outcome {
	case enforce.Banned:
		// Where another policy is in force by now, the next look at the kernel tells until when.
		if detector.Ban > 0 {
			d.bans.learn(remote, ban{Since: m.Timestamp, Until: until(m.Timestamp, detector.Ban), Reason: detector.Text(s.Behaviour)})
		}
	case enforce.Over:
		select {
		case d.seen <- sighting{s.Behaviour, remote, packetEntry(m)}:
		default:
			// There are thousands of others who do the same.
		}
	}
}

// packetEntry is an alert with a packet that came in.
func packetEntry(m *nflog.Message) audit.Entry {
	e := entryOf(enforce.Tag{Action: policy.Block, Direction: policy.In, Severity: policy.Low, Kind: enforce.ByDefault}, m)
	e.EventType, e.PFW = audit.Alert, audit.PFW{}
	return e
}

// keepSightings tells of what detectors see.
func (d *Daemon) keepSightings() error {
	told := map[string]time.Time{}
	for {
		var list []sighting
		select {
		case <-d.work.Done():
			return nil
		case s := <-d.seen:
			list = append(list, s)
		}
		for more := true; more && len(list) < mostSightings; {
			select {
			case s := <-d.seen:
				list = append(list, s)
			default:
				more = false
			}
		}
		now := time.Now()
		list = slices.DeleteFunc(list, func(s sighting) bool { return now.Sub(told[s.key()]) < sightingTime })
		for _, s := range d.judge(d.work, list) {
			if len(told) >= mostSightings {
				clear(told)
			}
			told[s.key()] = now
		}
	}
}

func (s sighting) key() string { return fmt.Sprintf("%s %s", s.behaviour, s.remote) }

// judge looks closer at what was seen, and tells of it; it gives what is as it seemed.
func (d *Daemon) judge(ctx context.Context, list []sighting) (told []sighting) {
	p := d.force.Load().policy
	scans := map[netip.Prefix]bool{}
	for _, s := range list {
		if s.behaviour == policy.PortScan {
			scans[s.remote] = true
		}
	}
	var knocks map[netip.Prefix][]enforce.Knock
	if len(scans) > 0 {
		var err error
		if knocks, err = d.table.Knocks(ctx, scans); err != nil && ctx.Err() == nil {
			d.log.Warn("the ports of a scan are not known", "error", err)
		}
	}
	for _, s := range list {
		detector := p.Detect().Of(s.behaviour)
		switch s.behaviour {
		case policy.PortScan:
			d.alert(s, scanReason(knocks[s.remote], detector), "blocked")
		case policy.SYNFlood:
			if !d.flooded(ctx, s, detector) {
				continue
			}
		}
		told = append(told, s)
	}
	return told
}

// alert writes the entry of a sighting.
func (d *Daemon) alert(s sighting, reason, action string) {
	e, about := s.entry, alertEntry(uint32(s.behaviour), gravity[s.behaviour])
	e.Signature, e.PFW = about.Signature, about.PFW
	e.Signature.Action, e.PFW.Reason = action, reason
	d.audit.Append(e)
}

// flooded tells of a remote that begins many connections, and bans it, where it does not complete them.
func (d *Daemon) flooded(ctx context.Context, s sighting, detector policy.Detector) bool {
	open, err := d.table.HalfOpen(ctx, s.remote)
	if err != nil {
		if ctx.Err() == nil {
			d.log.Warn("it is not known whether a remote floods this machine", "error", err)
		}
		return false
	}
	if open <= int(detector.Over.Packets) {
		return false
	}
	reason := fmt.Sprintf("%d half-open connections at once, and more than %s begun", open, detector.Over)
	action := "allowed"
	if detector.Ban > 0 {
		err := d.mayBan(s.entry.SrcIP.Addr(), s.remote, false)
		if err == nil {
			_, err = d.bans.byHand(ctx, s.remote, api.BanRequest{For: detector.Ban, Reason: detector.Text(s.behaviour)})
		}
		if err == nil {
			action = "blocked"
		} else {
			reason += "; not banned: " + err.Error()
		}
	}
	d.alert(s, reason, action)
	if action == "blocked" {
		d.cutBanned(ctx)
	}
	return true
}

// scanReason says which ports were asked for, as far as it is known.
func scanReason(list []enforce.Knock, detector policy.Detector) string {
	if len(list) == 0 {
		return fmt.Sprintf("more than %s refused ports", detector.Over)
	}
	slices.SortFunc(list, func(a, b enforce.Knock) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	const most = 20 // runs
	var runs []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1].Protocol == list[i].Protocol && list[j+1].Port == list[j].Port+1 {
			j++
		}
		run := fmt.Sprintf("%s %s", list[i].Protocol, policy.PortRange{First: list[i].Port, Last: list[j].Port})
		if i > 0 && list[i-1].Protocol == list[i].Protocol {
			_, run, _ = strings.Cut(run, " ")
		}
		if len(runs) < most {
			runs = append(runs, run)
		}
		i = j + 1
		if len(runs) == most && i < len(list) {
			runs = append(runs, "…")
			break
		}
	}
	return fmt.Sprintf("%d refused ports within a %s: %s", len(list), detector.Window(), strings.Join(runs, ", "))
}

// blind tells of refused packets that the port scan detector had no room for; total is how many by now. counting is held.
func (d *Daemon) blind(total uint64) {
	const shown = 10 * time.Minute
	if total > d.unseen {
		d.faults.hold(unseen, shown, "more ports of this machine are asked for at once than the port scan detector can remember: scans may go unseen",
			"pfw log --stats shows who asks, and for what")
	}
	d.unseen = total
}
