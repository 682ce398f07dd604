package api

// On the wire an empty list is [], never null: a reader need not tell the two apart.

func whole[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s Status) whole() Status {
	s.Lists, s.Faults, s.Notices = whole(s.Lists), whole(s.Faults), whole(s.Notices)
	return s
}

func (r Rules) whole() Rules {
	r.Rules, r.Default = whole(r.Rules), whole(r.Default)
	return r
}

func (c Check) whole() Check {
	c.Errors, c.Warnings, c.Expectations = whole(c.Errors), whole(c.Warnings), whole(c.Expectations)
	return c
}

func (o Outcome) whole() Outcome {
	o.Warnings = whole(o.Warnings)
	return o
}
