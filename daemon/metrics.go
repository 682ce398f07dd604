package daemon

import (
	"context"
	"runtime"

	"pfw/daemon/api"
	"pfw/daemon/audit"
	"pfw/daemon/names"
)

// metrics is what is counted at one moment.
type metrics struct {
	status  api.Status
	rules   api.Rules // with what is always in force
	lists   api.Lists
	log     audit.Stats
	reloads struct{ done, refused uint64 }
	dns     names.Seen
	dnsLost uint64
}

// Metrics is what is counted, in the text that Prometheus reads.
func (d *Daemon) Metrics(ctx context.Context) (text []byte, err error) {
	var m metrics
	if m.status, err = d.Status(ctx); err != nil {
		return nil, err
	}
	if m.rules, err = d.Rules(ctx, true); err != nil {
		return nil, err
	}
	if m.lists, err = d.Lists(ctx); err != nil {
		return nil, err
	}
	m.log = d.audit.Stats()
	m.reloads.done, m.reloads.refused = d.reloads.done.Load(), d.reloads.refused.Load()
	m.dns, m.dnsLost = d.domains.seen()
	return m.text(), nil
}

// text is written here: the package that programs use for it holds 3 MiB of memory in who is asked for nothing.
func (m *metrics) text() []byte {
	var x exposition
	gauge, counter := x.of("gauge"), x.of("counter")
	m.collectStatus(gauge, counter)
	m.collectRules(counter)

	entries := gauge("list_entries", "Entries of an address list.", "list")
	ranges := gauge("list_ranges", "Disjoint ranges that the entries of an address list come to.", "list")
	skipped := gauge("list_skipped_lines", "Lines of an address list that are no address.", "list")
	for _, l := range m.lists.Lists {
		entries(float64(l.Entries), l.Name)
		ranges(float64(l.Ranges), l.Name)
		skipped(float64(l.Skipped), l.Name)
	}
	answers := counter("dns_messages_total", "Messages of the DNS that were read for the names in rules.", "result")
	answers(float64(m.dns.Answers), "believed")
	answers(float64(m.dns.Unasked), "unasked")
	answers(float64(m.dns.Malformed), "malformed")
	answers(float64(m.dnsLost), "lost")
	return x.text()
}

func (m *metrics) collectStatus(gauge, counter families) {
	s := &m.status
	gauge("build_info", "The version of pfwd, and of the Go that built it.", "version", "goversion")(1, s.Version, runtime.Version())
	state := gauge("state", "1 for the condition that the daemon is in.", "state")
	for _, name := range []api.State{api.OK, api.Degraded, api.Panic, api.Trying} {
		is := 0.0
		if s.State == name {
			is = 1
		}
		state(is, string(name))
	}
	gauge("faults", "Things that are wrong and that a person can mend.")(float64(len(s.Faults)))
	gauge("policy_generation", "The number of the policy in force; it rises with each.")(float64(s.Generation))
	gauge("policy_in_force_timestamp_seconds", "Since when the policy is in force.")(float64(s.Since.UnixMilli()) / 1000)
	gauge("rules", "Rules in force.")(float64(s.Rules))
	gauge("bans", "Remotes that are banned.")(float64(s.Bans))
	packets := counter("packets_total", "Packets that the policy decided, by rules that are gone too.", "verdict")
	packets(float64(s.Packets.Allowed), "allowed")
	packets(float64(s.Packets.Blocked), "blocked")
	counter("events_suppressed_packets_total", "Packets over a rule's log cap since the daemon's start.")(float64(s.Events.Suppressed))
	counter("events_lost_packets_total", "Packets whose log messages were lost since the daemon's start.")(float64(s.Events.Lost))
	events := counter("events_total", "Entries of the audit log since the daemon's start.", "type")
	for t, n := range m.log.Types {
		events(float64(n), t.String())
	}
	counter("events_missed_total", "Entries that those who follow the log live were too slow for, each one's.")(float64(m.log.Missed))
	reloads := counter("reloads_total", "Changes of the policy that were asked for since the daemon's start.", "result")
	reloads(float64(m.reloads.done), "ok")
	reloads(float64(m.reloads.refused), "refused")
}

func (m *metrics) collectRules(counter families) {
	packets := counter("rule_packets_total", "Packets that a rule decided: the openings of connections.", "rule", "direction", "action")
	octets := counter("rule_bytes_total", "Bytes of the packets that a rule decided.", "rule", "direction", "action")
	over := counter("rule_over_packets_total", "Packets, of those that a rule decided, over a bound of it, which it blocked.", "rule")
	for _, r := range m.rules.Rules {
		if r.Enabled {
			packets(float64(r.Packets), r.Name, r.Direction, r.Action)
			octets(float64(r.Bytes), r.Name, r.Direction, r.Action)
			if r.Over > 0 {
				over(float64(r.Over), r.Name)
			}
		}
	}
	packets = counter("default_packets_total", "Packets that no rule matched.", "direction", "action")
	octets = counter("default_bytes_total", "Bytes of the packets that no rule matched.", "direction", "action")
	for _, d := range m.rules.Default {
		packets(float64(d.Packets), d.Direction, d.Action)
		octets(float64(d.Bytes), d.Direction, d.Action)
	}
	packets = counter("always_packets_total", "Packets that met what is in force before any rule.", "name")
	octets = counter("always_bytes_total", "Bytes of the packets that met what is in force before any rule.", "name")
	for _, a := range m.rules.Always {
		packets(float64(a.Packets), a.Name)
		octets(float64(a.Bytes), a.Name)
	}
}
