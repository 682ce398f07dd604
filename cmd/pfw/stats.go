package main

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"pfw/daemon/api"
	"pfw/daemon/audit"
)

// logStats is what --stats counts. Counts are of packets; what is no packet (a ban, a reload) is an entry only.
type logStats struct {
	Since   api.Time `json:"since"`
	Until   api.Time `json:"until"`
	Entries uint64   `json:"entries"`
	Packets uint64   `json:"packets"`
	// Unseen of the packets have no entry of their own: they were over the log cap, or lost.
	Unseen  uint64        `json:"unseen"`
	Sources []sourceCount `json:"sources"`
	Ports   []portCount   `json:"ports"`
	Rules   []ruleCount   `json:"rules"`
}

type sourceCount struct {
	Address string `json:"address"`
	Count   uint64 `json:"count"`
}

// portCount counts what went to a port.
type portCount struct {
	Proto string `json:"proto"`
	Port  uint16 `json:"port"`
	Count uint64 `json:"count"`
}

// ruleCount counts what a rule decided. The rule is "" for packets that were lost, and nobody knows of which rule.
type ruleCount struct {
	Rule  string `json:"rule"`
	Count uint64 `json:"count"`
}

func (a *app) logStats(ctx context.Context, q api.EventsQuery, lines int) error {
	asked := time.Now()
	t := newTally()
	for e, err := range a.client().Events(ctx, q) {
		if err != nil {
			return err
		}
		t.add(&e)
	}
	return present(a, t.stats(q, asked, lines), a.out.logStats)
}

// tally counts entries as they come.
type tally struct {
	first            time.Time
	entries, packets uint64
	unseen           uint64
	sources          map[netip.Addr]uint64
	ports            map[portCount]uint64 // by keys without a count
	rules            map[string]uint64
}

func newTally() *tally {
	return &tally{sources: map[netip.Addr]uint64{}, ports: map[portCount]uint64{}, rules: map[string]uint64{}}
}

func (t *tally) add(e *audit.Entry) {
	if t.entries++; t.first.IsZero() || e.Timestamp.Before(t.first) {
		t.first = e.Timestamp
	}
	n := e.Weight()
	if n == 0 {
		return
	}
	t.packets += n
	t.rules[e.PFW.Rule] += n
	if e.EventType == audit.Suppressed || e.EventType == audit.Lost {
		t.unseen += n
		return
	}
	if e.SrcIP.IsValid() {
		t.sources[e.SrcIP.Addr()] += n
	}
	if e.DestPort.Known {
		t.ports[portCount{Proto: e.Proto, Port: e.DestPort.V}] += n
	}
}

// stats gives the most frequent, at most lines of each. Without a beginning asked for it is that of the first entry.
func (t *tally) stats(q api.EventsQuery, asked time.Time, lines int) logStats {
	s := logStats{
		Since: api.Time{Time: q.Since}, Until: api.Time{Time: q.Until}, Entries: t.entries, Packets: t.packets, Unseen: t.unseen,
		Sources: []sourceCount{}, Ports: []portCount{}, Rules: []ruleCount{},
	}
	if q.Since.Equal(wholeLog) && t.entries > 0 {
		s.Since.Time = t.first
	}
	if q.Until.IsZero() {
		s.Until.Time = asked
	}
	for _, a := range top(t.sources, lines, netip.Addr.Compare) {
		s.Sources = append(s.Sources, sourceCount{a.String(), t.sources[a]})
	}
	for _, p := range top(t.ports, lines, comparePorts) {
		s.Ports = append(s.Ports, portCount{p.Proto, p.Port, t.ports[p]})
	}
	for _, r := range top(t.rules, lines, cmp.Compare[string]) {
		s.Rules = append(s.Rules, ruleCount{r, t.rules[r]})
	}
	return s
}

// top lists the keys with the highest counts, the highest first; keys of one count in their order.
func top[K comparable](counts map[K]uint64, lines int, order func(a, b K) int) []K {
	keys := make([]K, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), order(a, b))
	})
	return keys[:min(lines, len(keys))]
}

func comparePorts(a, b portCount) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
}
