package daemon

import (
	"log/slog"
	"net/netip"
	"time"

	"pfw/daemon/procs"
	"pfw/enforce/nflog"
)

// owners finds out who sent a packet that the kernel logged on its way out. It serves one goroutine, the reader of the
// log, and works while the next messages wait in the kernel. That is on purpose: entries keep their order and are
// complete when they are appended, there is no queue that could lose some, and an entry that waits for its owner is to
// the accounts a message that has not arrived yet. The price is time in which nothing is read, so it has a budget:
// what comes when that is spent goes without. Somebody who floods the log gets fewer names, and no more losses.
//
// What cannot be known is left out, never guessed. It is not known of
//   - a sender that closed its socket, or ended, before the message came, some 10 ms after the packet: a TCP connection
//     that is rejected is no socket any more by then;
//   - a UDP socket that shares its port with another of the same user, unless one process holds both;
//   - a socket that several processes hold: then the unit only;
//   - a TCP connection whose destination is translated on this machine, and what has no ports.
//
// Within the moment a port may have come to another socket of the same user; that is taken for the sender.
type owners struct {
	log    *slog.Logger
	finder *procs.Finder // nil where there is none
	units  *procs.Units  // nil where there are none
	budget budget

	holders procs.Holders
	scanned time.Time
	// unheld are sockets that had no holder to be seen at the last scans, and when.
	unheld map[uint32]time.Time
}

// owner is what is known of who sent a packet, besides the user.
type owner struct {
	pid  int
	exe  string
	unit string
}

const (
	// A socket may be inherited or handed on at any time, so what a scan found is believed for a moment only.
	scanLifetime = time.Second
	// Whose holder is not to be seen, for want of privilege say, is not looked for at each packet.
	unheldLifetime = 10 * time.Second
	unheldKept     = 4096
)

func newOwners(log *slog.Logger) *owners {
	o := &owners{log: log, unheld: map[uint32]time.Time{}}
	var err error
	if o.finder, err = procs.OpenFinder(); err != nil {
		log.Warn("entries will not name processes", "error", err)
	}
	if o.units, err = procs.OpenUnits(); err != nil {
		log.Warn("entries may not name units", "error", err)
	}
	return o
}

func (o *owners) close() {
	if o.finder != nil {
		if err := o.finder.Close(); err != nil {
			o.log.Warn("look-up of sockets not closed cleanly", "error", err)
		}
	}
	if o.units != nil {
		o.units.Close() // a directory that was only read
	}
}

// of finds the sender of an outgoing packet whose user is known.
func (o *owners) of(m *nflog.Message) owner {
	p := &m.Packet
	protocol := procs.Protocol(p.Protocol)
	if o.finder == nil || !p.HasPorts || protocol != procs.TCP && protocol != procs.UDP {
		return owner{}
	}
	now := time.Now()
	if !o.budget.allows(now) {
		return owner{}
	}
	defer func() { o.budget.spend(time.Since(now)) }()
	list, err := o.finder.Senders(protocol, netip.AddrPortFrom(p.Source, p.SourcePort),
		netip.AddrPortFrom(p.Destination, p.DestinationPort), m.OutIndex)
	if err != nil {
		o.log.Debug("sender of a packet not looked up", "error", err)
		return owner{}
	}
	return o.common(list, m.UID, now)
}

// common is what all sockets of the user that may have sent the packet have in common.
func (o *owners) common(list []procs.Socket, uid uint32, now time.Time) owner {
	var out owner
	first := true
	for _, s := range list {
		if s.Inode == 0 || s.UID != uid {
			continue
		}
		this := o.holder(s, now)
		if first {
			out, first = this, false
			continue
		}
		if this.pid != out.pid {
			out.pid, out.exe = 0, ""
		}
		if this.unit != out.unit {
			out.unit = ""
		}
	}
	return out
}

// holder tells who has a socket now.
func (o *owners) holder(s procs.Socket, now time.Time) owner {
	var out owner
	if o.units != nil {
		out.unit = o.units.Of(s.CgroupID)
	}
	list := o.holdersOf(s.Inode, now)
	if len(list) != 1 {
		return out
	}
	out.pid, out.exe = list[0].PID, list[0].Exe
	if out.unit == "" {
		out.unit = procs.UnitOfProcess(out.pid)
	}
	return out
}

// holdersOf scans the open files of all processes, unless a scan of a moment ago has the socket. Where processes are hidden
// from pfwd, there may be another holder among them.
func (o *owners) holdersOf(inode uint32, now time.Time) []procs.Process {
	if now.Sub(o.scanned) < scanLifetime {
		if list := o.holders.Of(inode); len(list) > 0 || o.scanned.Equal(now) {
			return list
		}
	}
	if at, ok := o.unheld[inode]; ok && now.Sub(at) < unheldLifetime {
		return nil
	}
	holders, err := procs.ReadHolders()
	if err != nil {
		o.log.Debug("holder of a socket not looked up", "error", err)
		return nil
	}
	o.holders, o.scanned = holders, now
	list := holders.Of(inode)
	if len(list) == 0 {
		if len(o.unheld) >= unheldKept {
			clear(o.unheld)
		}
		o.unheld[inode] = now
	}
	return list
}
