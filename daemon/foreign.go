package daemon

import (
	"context"
	"strings"
	"sync"
	"time"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/enforce"
)

// foreignTime is how often it is looked for others that decide about packets, where nobody asks.
const foreignTime = time.Minute

// foreign is what else decides about packets.
type foreign struct {
	d *Daemon

	mu sync.Mutex
	// looked is the number of the kernel's ruleset that was looked at last, 0 for none.
	looked uint32
}

// keepForeign notices tables of others that come and go.
func (d *Daemon) keepForeign() error {
	ticker := time.NewTicker(foreignTime)
	defer ticker.Stop()
	for {
		select {
		case <-d.work.Done():
			return nil
		case <-ticker.C:
			d.foreign.asked(d.work)
		}
	}
}

// asked looks, unless that would wait for a change, which ends with a look.
func (f *foreign) asked(ctx context.Context) {
	if !f.d.busy() {
		f.look(ctx)
	}
}

// look looks for tables of others, where any table has changed since the last time.
func (f *foreign) look(ctx context.Context) {
	d := f.d
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := d.table.Generation()
	if err == nil && now == f.looked {
		return
	}
	var findings []enforce.Finding
	if err == nil {
		findings, err = enforce.Foreign(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			d.log.Warn("other tables not looked at", "error", err)
		}
		return
	}
	f.looked = now
	if len(findings) == 0 {
		d.faults.clear(foreignTable)
		return
	}
	before, _ := d.faults.what(foreignTable)
	var texts []string
	for _, x := range findings {
		if !strings.Contains(before, x.Text) {
			d.log.Warn(x.Text)
		}
		texts = append(texts, x.Text)
	}
	d.faults.set(foreignTable, strings.Join(texts, "; "), "nft list ruleset shows it; a packet must pass both, so one of the two is enough")
}

// told adds to an explanation that a packet passes who else may refuse it.
func (f *foreign) told(ctx context.Context, e api.Explain) api.Explain {
	last := e.Decision
	if e.Now != nil {
		last = *e.Now
	}
	if last.Verdict == policy.Allow.String() {
		f.asked(ctx)
		e.Notices = f.d.faults.those(func(k fault) bool { return k == foreignTable })
	}
	return e
}
