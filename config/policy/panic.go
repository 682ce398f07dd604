package policy

// InPanic is the same policy while everything but loopback is blocked, forwarded traffic that it does not look at too. Its
// rules, defaults and the rest are as they were, and decide nothing.
func (p *Policy) InPanic() *Policy {
	q := *p
	q.panics = true
	return &q
}

// Panics tells whether everything but loopback is blocked.
func (p *Policy) Panics() bool { return p.panics }

// Always lists what is in force whatever the rules say, in order.
func (p *Policy) Always() []Always {
	if p.panics {
		return InForceInPanic
	}
	return AlwaysInForce
}

// always says whether the packet meets something that is in force whatever the rules say.
func (p *Policy) always(f *Flow) (a Always, met answer) {
	if p.panics && f.onLoopback() != yes {
		return Panic, yes
	}
	return f.always()
}

// looksAt tells whether the kernel is asked about the direction at all.
func (p *Policy) looksAt(d Direction) bool {
	_, hooked := p.Default(d)
	return hooked || p.panics
}
