package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"pfw/config"
	"pfw/daemon/api"
)

// Lists tells of the lists of the policy in force.
func (d *Daemon) Lists(ctx context.Context) (api.Lists, error) {
	f := d.force.Load()
	counts, err := d.table.Counters(ctx)
	if err != nil {
		return api.Lists{}, fmt.Errorf("read counters: %w", err)
	}
	var out api.Lists
	for _, l := range f.lists {
		list := api.List{
			Name: l.Name, Source: l.Source, Entries: l.Entries, Ranges: l.Ranges, Skipped: l.Skipped, SkippedLines: l.SkippedLines,
			Masked: l.Masked, Kind: kindOf(&l),
		}
		if l.Feed != nil {
			d.feeds.describe(&list, &l)
		}
		if date, ok := f.dates[l.Source]; ok {
			list.Updated = &api.Time{Time: date}
		}
		if !l.Built.IsZero() {
			list.Updated = &api.Time{Time: l.Built}
		}
		// The kernel counts by rule.
		for _, rule := range l.Rules {
			list.Packets += counts.Rules[rule].Packets
		}
		out.Lists = append(out.Lists, list)
	}
	out.Lists = append(out.Lists, d.domains.lists(f.policy, counts)...)
	return out, nil
}

func kindOf(l *config.List) api.ListKind {
	switch {
	case l.Feed != nil:
		return api.FromNet
	case l.File:
		return api.FromFile
	case !l.Built.IsZero():
		return api.OfCountry
	case l.Source == "entries":
		return api.FromEntries
	}
	return api.BuiltIn
}

// describe adds what is known of a list from the net.
func (f *feeds) describe(out *api.List, l *config.List) {
	s := f.state(l)
	if !s.Good.IsZero() && !l.Feed.Missing {
		out.Updated = &api.Time{Time: s.Good}
	}
	out.Next, out.Error = &api.Time{Time: s.due(l, time.Now())}, s.Error
}

// datesOf gives when the files of lists were changed last. Those of the last good policy are not on the disk as they were.
func datesOf(l *loaded) map[string]time.Time {
	out := map[string]time.Time{}
	for _, list := range l.config.Lists {
		if l.refused != nil || !list.File {
			continue
		}
		// A file that is gone in the moment after it was read has no date.
		if st, err := os.Stat(list.Source); err == nil {
			out[list.Source] = st.ModTime()
		}
	}
	return out
}
