package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfw/daemon/api"
)

// completeTime bounds what a Tab waits for the daemon. Where none answers there is nothing to offer.
const completeTime = 2 * time.Second

// offer gives the words that may stand somewhere; it asks the daemon where it has to.
type offer func(ctx context.Context, a *app) []string

// flagOffers is by the name of a flag, which means the same with every verb.
var flagOffers = map[string]offer{
	"rule": deciders, "before": ruleNames, "after": ruleNames,
	"remote": listNames, "local": listNames, "from": listNames, "to": listNames,
	"direction": fixed(api.Directions...), "action": fixed(api.Actions...), "event": fixed(api.EventTypes...),
	"protocol": fixed("tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "ah", "igmp"),
	"severity": fixed("low", "medium", "high"),
	"for":      fixed("5m", "15m", "1h", "1d"), "since": fixed("15m", "1h", "1d"),
}

// argumentOffers is by the name of a verb. One that takes a file is not here: the shell completes that.
var argumentOffers = map[string]struct {
	offer
	most int // arguments that are offered
}{
	"delete": {ruleNames, anyNumber}, "enable": {ruleNames, anyNumber}, "disable": {ruleNames, anyNumber},
	"unban": {banned, anyNumber},
	"lists": {fixed("refresh"), 1},
	"panic": {fixed("on", "off"), 1},
	// The first word of a packet; the rest is the person's.
	"explain": {fixed("in", "out", "forward"), 1},
}

const anyNumber = 1 << 20

func fixed(words ...string) offer { return func(context.Context, *app) []string { return words } }

func ruleNames(ctx context.Context, a *app) (names []string) {
	rules, err := a.client().Rules(ctx, false)
	if err != nil {
		return nil
	}
	for _, r := range rules.Rules {
		names = append(names, r.Name)
	}
	return names
}

// deciders are what an entry of the log may name.
func deciders(ctx context.Context, a *app) []string { return append(ruleNames(ctx, a), "default") }

// listNames are as a rule names them.
func listNames(ctx context.Context, a *app) (names []string) {
	status, err := a.client().Status(ctx)
	if err != nil {
		return nil
	}
	for _, l := range status.Lists {
		names = append(names, l.Written())
	}
	return names
}

// refreshable are lists that may be other ones by now.
func refreshable(ctx context.Context, a *app) (names []string) {
	v, err := a.client().Lists(ctx)
	if err != nil {
		return nil
	}
	for _, l := range v.Lists {
		if mayChange(l) {
			names = append(names, l.Name)
		}
	}
	return names
}

func banned(ctx context.Context, a *app) (addresses []string) {
	bans, err := a.client().Bans(ctx)
	if err != nil {
		return nil
	}
	for _, b := range bans.Bans {
		addresses = append(addresses, b.Address)
	}
	return addresses
}

// complete gives every verb what it offers at a Tab.
func (a *app) complete(verbs []*cobra.Command) {
	for _, c := range verbs {
		for name, offer := range flagOffers {
			if c.Flags().Lookup(name) == nil {
				continue
			}
			// It fails for a flag that is not there, or that has one already.
			if err := c.RegisterFlagCompletionFunc(name, a.offering(offer, anyNumber)); err != nil {
				panic(err)
			}
		}
		if o, ok := argumentOffers[c.Name()]; ok {
			c.ValidArgsFunction = a.offering(o.offer, o.most)
		}
	}
}

// plainUsage takes the quotation marks off the names of values in what is said of flags: cobra does so for --help, and shows
// a Tab the text as it stands.
func plainUsage(c *cobra.Command) {
	plain := func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) }
	c.Flags().VisitAll(plain)
	c.PersistentFlags().VisitAll(plain)
	for _, sub := range c.Commands() {
		plainUsage(sub)
	}
}

func (a *app) offering(o offer, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
		defer cancel()
		return o(ctx, a), cobra.ShellCompDirectiveNoFileComp
	}
}
