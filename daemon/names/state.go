package names

import (
	"net/netip"
	"time"

	"pfw/config/policy"
)

// State is what outlives a restart: the addresses of names in rules, each until when.
type State map[string]map[netip.Addr]time.Time

// State gives what is to be saved; changed is false where it was given before.
func (b *Book) State() (s State, changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.unsaved {
		return nil, false
	}
	b.unsaved = false
	s = State{}
	for _, list := range []map[policy.Domain]map[netip.Addr]time.Time{b.former, b.rules} {
		for d, known := range list {
			of := make(map[netip.Addr]time.Time, len(known))
			for a, until := range known {
				of[a] = until.Round(0)
			}
			s[d.String()] = of
		}
	}
	return s, true
}

// Unsaved says that what State gave could not be saved.
func (b *Book) Unsaved() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unsaved = true
}

// Restore takes what was saved. The clock may have been set meanwhile: nothing holds for longer than it can.
func (b *Book) Restore(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	latest := b.now().Add(Longest + Longest/grace)
	for name, of := range s {
		d, err := policy.ParseDomain(name)
		if err != nil || len(b.former) >= mostNames {
			continue
		}
		known := map[netip.Addr]time.Time{}
		for a, until := range of {
			if !ordinary(a) || len(known) >= mostKnown {
				continue
			}
			if until.After(latest) {
				until = latest
			}
			known[a] = until
			if _, below := d.Name(); !below {
				b.spell(a, name)
			}
		}
		b.former[d] = known
	}
}
