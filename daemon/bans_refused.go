package daemon

import (
	"fmt"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
)

// refusals are bans that the kernel would have made, had there been room.
type refusals struct {
	// read is the last reading of the kernel's counter. What it counted while no pfwd ran is told of nowhere.
	read uint64
	// untold is how many no entry tells of yet, since when; told is when the last entry was written.
	untold      uint64
	since, told time.Time
}

// refusalTime is how often an entry tells of bans that are refused: the first at once.
const refusalTime = time.Minute

// refused takes down how many bans the kernel has refused by now. counting is held.
func (b *bans) refused(now time.Time, total uint64) {
	r := &b.full
	// The counter comes and goes with what bans.
	if total > r.read {
		if r.untold == 0 {
			r.since = now
		}
		r.untold += total - r.read
		f := b.d.force.Load()
		if f != nil {
			b.d.faults.set(bansFull, fmt.Sprintf("%d addresses of a family are banned already, as many as [ban] size has room for: whoever was to be banned since is not", f.policy.Bans().Size), moreRoom)
		}
	}
	r.read = total
	if r.untold == 0 || now.Sub(r.told).Abs() < refusalTime {
		return
	}
	e := alertEntry(noRoomForBans, policy.High)
	e.PFW.Since = r.since
	e.PFW.Reason = fmt.Sprintf("no room for bans, which packets asked for %d times: pfw unban makes some, and so does a larger [ban] size", r.untold)
	b.d.audit.Append(e)
	r.untold, r.told = 0, now
}

// The numbers of pfw's own signatures, which keep their meaning.
const (
	pfwsOwn = 1000 // gid

	noRoomForBans = 3
)

// signatures are pfw's own, in the words of Suricata's classification.config for what it has a word for.
var signatures = map[uint32]audit.Signature{
	uint32(policy.PortScan): {Text: policy.PortScan.Name(), Category: "Detection of a Network Scan"},
	uint32(policy.SYNFlood): {Text: policy.SYNFlood.Name(), Category: "Attempted Denial of Service"},
	noRoomForBans:           {Text: "no room for bans", Category: "Firewall at its limits"},
}

// alertEntry is an entry of one of pfw's own signatures.
func alertEntry(id uint32, severity policy.Severity) audit.Entry {
	s := signatures[id]
	s.ID, s.GID, s.Rev, s.Action = id, pfwsOwn, 1, "allowed"
	s.Severity = map[policy.Severity]uint32{policy.High: 1, policy.Medium: 2, policy.Low: 3}[severity]
	return audit.Entry{EventType: audit.Alert, Signature: &s, PFW: audit.PFW{Severity: severity.String()}}
}
