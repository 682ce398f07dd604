package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pfw/daemon/audit"
)

// takeover makes the table of the last process this one's, where it is still in force, and goes on with its accounts.
// auditFile is where the audit log is written, "" for nowhere.
func (d *Daemon) takeover(ctx context.Context, auditFile string) (found bool, err error) {
	found, differs, err := d.table.Takeover(ctx)
	if err != nil {
		return false, fmt.Errorf("take over the kernel's table: %w", err)
	}
	if !found {
		// Its counters begin with zero, so entries of before count for nothing.
		if err := d.ledgers.forget(); err != nil {
			d.unsaved(unsavedAccounts, err)
		}
		d.ledgers.begin(auditFile != "", map[accountKey]int64{})
		return false, nil
	}
	d.log.Info("the table of the last pfwd is in force and taken over")
	if len(differs) > 0 {
		d.tampered(differs, "while no pfwd ran")
	}
	counts, err := d.table.Counters(ctx)
	if err != nil {
		// The counters themselves may be what was tampered with; they are made anew.
		d.log.Warn("counters of the last pfwd not read", "error", err)
	}
	d.bans.full.read, d.unseen = counts.Refused.Packets, counts.Unseen.Packets
	d.restoreAccounts(auditFile, readings(counts))
	return true, nil
}

func (d *Daemon) restoreAccounts(auditFile string, counts map[accountKey]reading) {
	saved, ok := d.ledgers.load()
	beyond := map[accountKey]int64{}
	if ok && auditFile != "" {
		skipped, err := audit.Replay(auditFile, saved.Seq, func(e audit.Entry) {
			beyond[keyOfEntry(e.Account())] += int64(e.Weight())
		})
		if err != nil {
			d.log.Warn("audit file not read; entries that it has may be told as lost", "error", err)
		}
		if skipped > 0 {
			d.log.Warn("audit file has damaged lines", "lines", skipped)
		}
	}
	inFile, lost := d.accounts.restore(time.Now(), saved, beyond, counts)
	d.ledgers.begin(auditFile != "", inFile)
	for _, e := range lost {
		d.audit.Append(e)
	}
}

// tampered tells of a table that somebody else changed.
func (d *Daemon) tampered(differs []string, when string) {
	const shown = 5 // of many, as a table that was flushed differs in all
	what := strings.Join(differs[:min(shown, len(differs))], "; ")
	if n := len(differs) - shown; n > 0 {
		what += fmt.Sprintf("; and %d more", n)
	}
	d.log.Warn("somebody else changed table inet pfw "+when+"; it is restored", "differs", what)
	d.audit.Append(audit.Entry{EventType: audit.Tamper, PFW: audit.PFW{Reason: what}})
	d.faults.hold(tampered, tamperShown, "somebody else changed pfw's table "+when+", and it was restored: "+what,
		"find out who runs nft or iptables here; journalctl -u pfwd PFW_EVENT_TYPE=tamper has the times")
}

// tamperShown is how long people see that the table was changed: it is over, so it must not be shown for ever, and
// somebody has to come by and see it. The audit log has it for good.
const tamperShown = time.Hour
