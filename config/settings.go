package config

import (
	"path/filepath"

	"pfw/config/policy"
)

var verdictWords = []string{"allow", "block", "reject"}

// readDefaults reads [default]; t is nil where there is none.
func readDefaults(f *file, t *table) policy.Defaults {
	d := policy.Defaults{Inbound: policy.Block, Outbound: policy.Allow}
	if t == nil {
		return d
	}
	r := reader{f: f, t: t, place: "[default]"}
	if v, ok := word(&r, "inbound", policy.Verdicts, verdictWords); ok {
		d.Inbound = v
	}
	if v, ok := word(&r, "outbound", policy.Verdicts, verdictWords); ok {
		d.Outbound = v
	}
	forward := map[string]policy.Forwarding{"ignore": {}}
	for w, v := range policy.Verdicts {
		forward[w] = policy.ForwardBy(v)
	}
	if v, ok := word(&r, "forward", forward, append([]string{"ignore"}, verdictWords...)); ok {
		d.Forward = v
	} else if r.value("forward") != nil {
		// Whatever was meant: forward rules are not at fault.
		d.Forward = policy.ForwardBy(policy.Block)
	}
	r.done()
	return d
}

// defaultFile is where interfaces.md says the audit log is.
const defaultFile = "/var/log/pfw/audit.jsonl"

// readLog reads [log]; t is nil where there is none.
func readLog(f *file, t *table) (policy.Log, Sinks) {
	if t == nil {
		t = newTable(0)
	}
	r := reader{f: f, t: t, place: "[log]"}
	log := policy.Log{
		Unmatched: r.flag("unmatched", true),
		Allowed:   r.flag("allowed", false),
		Cap:       policy.Rate{Packets: 50, Per: units["second"]},
		// Group+1 has to fit, too.
		Group: uint16(r.number("group", 1, 65534, 100)),
	}
	sinks := Sinks{
		Journal: r.flag("journal", true),
		File:    defaultFile,
		MaxSize: 64 << 20,
		Keep:    int(r.number("keep", 0, 10000, 8)),
	}
	if s, v, ok := r.text("max_rate", `a rate like "50/second"`); ok {
		rate, w := parseRate(s)
		if w != nil {
			r.fail("max_rate", v.at, w)
		}
		log.Cap = rate
	}
	if s, v, ok := r.text("file", "a path"); ok {
		if s != "" && (!filepath.IsAbs(s) || printable(s) != s) {
			r.fail("file", v.at, wrong(`write a path from the root, or "" for no file`, "%q is no absolute path", s))
		}
		sinks.File = s
	}
	if s, v, ok := r.text("max_size", `a size like "64MiB"`); ok {
		size, w := parseSize(s)
		if w != nil {
			r.fail("max_size", v.at, w)
		}
		sinks.MaxSize = size
	}
	r.done()
	return log, sinks
}
