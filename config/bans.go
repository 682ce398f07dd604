package config

import (
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// The kernel makes the sets of bans anew in one transaction when their size changes, which has to fit a socket's buffer; less
// than leastBans fill up with nobody's help.
const leastBans, mostBans = 16, 262144

// readBans reads [ban]; t is nil where there is none.
func readBans(f *file, t *table, l *lists) policy.Bans {
	b := policy.Bans{Size: policy.BansAtMost}
	if t == nil {
		return b
	}
	r := reader{f: f, t: t, place: "[ban]"}
	b.Size = uint32(r.number("size", leastBans, mostBans, policy.BansAtMost))
	// Unlike in a rule, an empty list is nobody.
	if v := r.value("never"); v != nil && !(v.kind == unstable.Array && len(v.items) == 0) {
		r.nameless("never", v)
		if a := r.addresses("never", l); !a.Any() {
			b.Never = a.Set()
		}
	}
	r.done()
	return b
}

// nameless refuses names, whose addresses come and go: who is never banned must be known beforehand.
func (r *reader) nameless(key string, v *value) {
	for _, x := range append([]*value{v}, v.items...) {
		if strings.HasPrefix(strings.TrimPrefix(x.text, "!"), domainPrefix) && x.kind == unstable.String {
			r.fail(key, x.at, wrong("write its addresses", "%q: a name cannot stand here, as its addresses change", x.text))
		}
	}
}

// readDetect reads [detect]; t is nil where there is none.
func readDetect(f *file, t *table) policy.Detect {
	if t == nil {
		return policy.Detect{}
	}
	r := reader{f: f, t: t, place: "[detect]"}
	d := policy.Detect{
		PortScan: r.detector("port_scan", `write port_scan = { over = "20/minute", ban = "1h" }`),
		SYNFlood: r.detector("syn_flood", `write syn_flood = { over = "200/second", ban = "10m" }`),
	}
	r.done()
	return d
}

// detector reads one; form is how a person writes it.
func (r *reader) detector(key, form string) policy.Detector {
	s := r.inner(key, form)
	if s == nil {
		return policy.Detector{}
	}
	d := policy.Detector{Over: s.rate("over", form)}
	if v := s.value("ban"); v != nil && !(v.kind == unstable.String && v.text == "") {
		d.Ban = s.length("ban", form)
	}
	r.close(s)
	return d
}
