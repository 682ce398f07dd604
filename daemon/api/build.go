package api

import (
	"errors"

	"pfw/config"
	"pfw/config/policy"
)

// NewCheck tells what config.Load made of a file. An error of Load that is not about what the file says, one of reading
// it, is given back.
func NewCheck(file string, c *config.Config, err error) (Check, error) {
	var bad *config.Errors
	switch {
	case err == nil:
		return Check{File: file, Valid: true, Warnings: c.Warnings, Expectations: c.Expectations}.whole(), nil
	case errors.As(err, &bad):
		return Check{File: file, Errors: bad.Problems, Warnings: bad.Warnings, Expectations: bad.Expectations}.whole(), nil
	}
	return Check{}, err
}

// NewRules tells the rules of a policy, the defaults of the directions that are looked at and, where asked for, what is
// always in force. All counters are zero; they are for whoever knows them to fill in.
func NewRules(p *policy.Policy, always bool) Rules {
	out := Rules{Rules: []Rule{}, Default: []DefaultCount{}}
	for _, r := range p.Rules() {
		rule := Rule{
			Name: string(r.Name), Action: r.Action.String(), Direction: r.Direction(), Enabled: !r.Disabled,
			Text: r.Text(), Comment: r.Comment, File: r.Origin.File, Line: r.Origin.Line,
		}
		if !r.Until.IsZero() {
			rule.Until = &Time{r.Until}
		}
		out.Rules = append(out.Rules, rule)
	}
	for _, d := range policy.Directions {
		if v, hooked := p.Default(d); hooked {
			out.Default = append(out.Default, DefaultCount{Direction: d.String(), Action: v.String()})
		}
	}
	if always {
		for _, a := range p.Always() {
			out.Always = append(out.Always, AlwaysInForce{Name: a.String(), Text: a.Text()})
		}
		for _, b := range p.Detect().On() {
			out.Detectors = append(out.Detectors, AlwaysInForce{Name: b.String(), Text: p.Detect().Of(b).Does(b)})
		}
	}
	return out
}

// NewDefault gives the defaults in the words of firewall.toml.
func NewDefault(d policy.Defaults) Default {
	return Default{Inbound: d.Inbound.String(), Outbound: d.Outbound.String(), Forward: d.Forward.String()}
}

// NewShow tells of a policy in force what it is made of; script is the ruleset that it was compiled to, in which a packet
// takes so many lookups at most and, where no rule asks about it, none.
func NewShow(p *policy.Policy, lists []config.List, script string, most, none int) Show {
	return Show{Shape: shape(p, lists, script, most, none), NFT: script}
}
