package enforce

import "pfw/config/policy"

// addresses gives a line for each way in which an end may meet what is asked of it: by addresses that the file names, and by
// those that names have.
func (l *line) addresses(e end, a policy.Addresses) []line {
	if a.Static() {
		l.address(e, a)
		return []line{*l}
	}
	var out []line
	if !a.Set().Empty(l.family) {
		way := *l
		way.address(e, a)
		way.names(e, a.Excepted(), true)
		out = append(out, way)
	}
	if names, allowed := a.Named(); !names.None() && !a.Set().All(l.family) && !allowed.Empty(l.family) {
		way := *l
		way.address(e, policy.NewAddresses(allowed, ""))
		way.names(e, names, false)
		way.names(e, a.Excepted(), true)
		out = append(out, way)
	}
	return out
}

// names asks whether an end is an address of any of the names.
func (l *line) names(e end, names policy.Domains, not bool) {
	if names.None() {
		return
	}
	l.asks |= byName
	q := question{dimension: e.dimension(), family: l.family}
	// Lines are copied as they are made: none may append to another's.
	l.named = append(l.named[:len(l.named):len(l.named)], lookup{q, not, NameSet(names, l.family)})
}

// namesOf gives what a line asks of names for an end.
func (l *line) namesOf(d dimension) (out []statement) {
	for _, s := range l.named {
		if s.question.dimension == d {
			out = append(out, s)
		}
	}
	return out
}
