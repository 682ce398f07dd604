package enforce

import (
	"time"

	"pfw/config/policy"
)

// Options is what a ruleset depends on beside the policy.
type Options struct {
	// Now is the time from which on schedules are written out, in the location by whose clock they are read.
	Now time.Time
}

// Ruleset is what the kernel runs: chains, rules, sets and counters.
type Ruleset struct{}

// Compile makes the ruleset of a policy.
func Compile(p *policy.Policy, o Options) Ruleset { return Ruleset{} }

// String gives the ruleset as a script for nft -f.
func (r Ruleset) String() string { return "" }
