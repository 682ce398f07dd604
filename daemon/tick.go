package daemon

import (
	"context"
	"time"

	"pfw/daemon/audit"
	"pfw/enforce"
)

const (
	tickTime = time.Second
	// saveTime is how often the accounts are saved where they changed.
	saveTime = 3 * time.Second
)

// keepAccounts writes what is suppressed and lost, about once a second.
func (d *Daemon) keepAccounts() error {
	ticker := time.NewTicker(tickTime)
	defer ticker.Stop()
	saved := time.Now()
	shown := ""
	for {
		select {
		case <-d.work.Done():
			return nil
		case <-ticker.C:
		}
		d.readers.sweep(time.Now())
		d.watchSinks()
		d.feeds.judge(d.force.Load(), time.Now())
		d.watchCountries()
		// Faults come and go by themselves, too.
		if text := d.statusText(); text != shown && d.work.Err() == nil {
			shown = text
			d.status()
		}
		if _, err := d.count(d.work); err != nil {
			// The task that keeps the table says what is wrong with it.
			continue
		}
		if d.accounts.tick() {
			d.tell(d.work)
		}
		if time.Since(saved) >= saveTime {
			saved = time.Now()
			d.ledgers.save()
		}
	}
}

// count reads what the kernel counts, and takes it down before anybody reads or changes it again: a reading that is
// overtaken by a later one looks like a counter that was deleted, and one of before a policy like packets of after.
func (d *Daemon) count(ctx context.Context) (enforce.Counters, error) {
	d.counting.Lock()
	defer d.counting.Unlock()
	counts, err := d.table.Counters(ctx)
	if err == nil {
		d.accounts.read(time.Now(), readings(counts))
		d.bans.refused(time.Now(), counts.Refused.Packets)
		d.blind(counts.Unseen.Packets)
	}
	return counts, err
}

// tell writes the entries that are due.
func (d *Daemon) tell(ctx context.Context) {
	d.telling.Lock()
	defer d.telling.Unlock()
	quiet := d.readers.caughtUp(ctx)
	lost := d.readers.lost()
	for _, e := range d.accounts.due(time.Now(), quiet, lost-d.reckoned) {
		d.audit.Append(e)
		if e.EventType == audit.Lost {
			d.reckoned += int64(e.PFW.Count)
		}
	}
	if quiet {
		d.reckoned = lost
	}
}
