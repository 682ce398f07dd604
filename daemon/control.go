package daemon

import (
	"context"
	"fmt"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/api"
)

var _ api.Backend = (*Daemon)(nil)

// Status answers: am I protected, since when, by what, is anything wrong.
func (d *Daemon) Status(ctx context.Context) (api.Status, error) {
	f := d.force.Load()
	// The accounts are read once a second; who asks wants to see what just happened, but not to wait for a big list.
	if !d.busy() {
		// Where that fails, the task that keeps the table says what is wrong with it.
		_, _ = d.count(ctx)
	}
	d.foreign.asked(ctx)
	d.watchCountries()
	allowed, blocked := d.accounts.sums()
	stats := d.audit.Stats()
	s := api.Status{
		State: d.state(), Since: api.Time{Time: f.since}, Protecting: d.protectingSince(f), Generation: f.generation, File: d.o.Config, Version: d.o.Version,
		Rules: f.rules(), Default: api.NewDefault(f.policy.Defaults()), Bans: d.bans.count(time.Now()),
		Packets: api.Packets{Allowed: allowed, Blocked: blocked},
		Events:  api.Events{Logged: stats.Logged, Suppressed: stats.Suppressed, Lost: stats.Lost},
		Faults:  d.faults.list(), Notices: d.faults.notices(), Trying: d.trying(), Panic: d.panicking(),
	}
	for _, b := range f.policy.Detect().On() {
		s.Detectors = append(s.Detectors, b.String())
	}
	for _, l := range f.lists {
		s.Lists = append(s.Lists, api.ListSize{Name: l.Name, Entries: l.Entries})
	}
	return s, nil
}

// Rules tells the rules in force with their counters.
func (d *Daemon) Rules(ctx context.Context, always bool) (api.Rules, error) {
	f := d.force.Load()
	counts, err := d.count(ctx)
	if err != nil {
		return api.Rules{}, fmt.Errorf("read counters: %w", err)
	}
	enforced := d.enforced(f.policy)
	out := api.NewRules(enforced, always)
	for i := range out.Rules {
		r := &out.Rules[i]
		c := counts.Rules[policy.Name(r.Name)]
		r.Packets, r.Bytes, r.Over = c.Packets, c.Bytes, counts.Excess[policy.Name(r.Name)].Packets
		if last := d.accounts.lastMatch(accountKey{rule: r.Name}); !last.IsZero() {
			r.LastMatch = &api.Time{Time: last}
		}
	}
	i := 0
	for _, direction := range policy.Directions {
		if _, hooked := f.policy.Default(direction); hooked {
			c := counts.Defaults[direction]
			out.Default[i].Packets, out.Default[i].Bytes = c.Packets, c.Bytes
			i++
		}
	}
	for i, a := range enforced.Always()[:len(out.Always)] {
		out.Always[i].Packets, out.Always[i].Bytes = counts.Always[a].Packets, counts.Always[a].Bytes
	}
	for i := range out.Detectors {
		c := counts.Detected[enforced.Detect().On()[i]]
		out.Detectors[i].Packets, out.Detectors[i].Bytes = c.Packets, c.Bytes
	}
	return out, nil
}

// Check judges a text as if it were firewall.toml in its place.
func (d *Daemon) Check(ctx context.Context, text string) (api.Check, error) {
	done, err := d.alone(ctx)
	if err != nil {
		return api.Check{}, err
	}
	defer done()
	c, err := config.Load(d.o.Config, config.Options{Now: time.Now(), Text: &text, Control: true, Kept: d.o.kept, Cache: d.feeds.dir})
	return api.NewCheck(d.o.Config, c, err)
}

// Show gives the ruleset in force.
func (d *Daemon) Show(context.Context) (api.Show, error) {
	f := d.force.Load()
	shape := f.ruleset.Shape()
	return api.NewShow(f.policy, f.lists, f.ruleset.String(), shape.Most, shape.None), nil
}
