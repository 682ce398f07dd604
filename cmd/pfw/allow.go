package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfw/config"
	"pfw/daemon/api"
)

// keyUsage says what the flag for a key of [[rule]] is for.
var keyUsage = map[string]string{
	"name":            "`NAME` of the rule; without it one is made, like allow-in-tcp-22",
	"direction":       "`WAY` in which the connection is opened: in, out, both or forward",
	"enabled":         "with --enabled=false, write the rule down and leave it off",
	"comment":         "`TEXT` that pfw rules shows",
	"protocol":        "`PROTOCOL`: tcp, udp, icmp, icmpv6, sctp, gre, esp, ah, igmp or a number",
	"port":            "`PORT` of the service: a number, a range (8000-8100) or a name (ssh)",
	"source_port":     "`PORT` from which the connection is opened",
	"icmp_type":       "`TYPE` of ICMP, like echo-request",
	"remote":          "`ADDRESS` of the other end: an address, prefix, range or @list; ! before it excludes",
	"local":           "`ADDRESS` of this machine",
	"from":            "with --forward, the `ADDRESS` that opens the connection",
	"to":              "with --forward, the `ADDRESS` that it is opened to",
	"interface":       "`NAME` of the interface, or a prefix with *",
	"in_interface":    "with --forward, `NAME` of the interface by which it comes",
	"out_interface":   "with --forward, `NAME` of the interface by which it goes",
	"user":            "with --out, `USER` whose connection it is",
	"group":           "with --out, `GROUP` whose connection it is",
	"schedule":        "`WHEN` it holds, by local time: \"mon-fri 22:00-06:00\", \"sat,sun\", or as a rule file has it",
	"until":           "`TIME` at which it ends: 2h from now, a date and time",
	"limit":           "`RATE` within which it holds; what comes faster is blocked: \"10/minute\", \"10/minute burst 5 per remote\"",
	"max_connections": "`NUMBER` of connections that may be open at a time: 20, \"20 per remote\"",
	"ban":             "`RATE` over which a remote is banned, and for how long: \"6/minute for 15m\"",
	"log":             "log it, or with --log=false do not; by default what is blocked or rejected is logged",
	"severity":        "`WORD` for alerts: low, medium or high",
}

// ways are the short flags for --direction.
var ways = []struct{ word, usage string }{
	{"in", "connections that others open to this machine"},
	{"out", "connections that this machine opens"},
	{"both", "in and out"},
	{"forward", "connections that this machine passes on"},
}

// write is pfw allow, block or reject; args and others are for examples.
func (a *app) write(action, short, args, others string) *cobra.Command {
	var place api.RuleEdit
	var dry bool
	cmd := &cobra.Command{
		Use:   action + " --in|--out|--both|--forward [FLAGS]",
		Short: short,
		Long: "Write a rule into the rule file, and put the file in force. The flags are the keys of [[rule]], with dashes: man\n" +
			"firewall.toml has the whole of each. A flag that takes several values is given several times, or its values with commas.\n\n" +
			"A new rule goes to the end of the rules of firewall.toml; where an earlier rule would hide it, before that one. With the\n" +
			"--name of a rule that is there, that rule is replaced, in its place. The rest of the file stays as it is, to the byte.\n" +
			"The file is checked before it is written, its expectations too; what it said before is in firewall.toml~.\n" +
			"Exit status: 0 in force, 4 the rule is not valid, 5 an expectation would not hold any more.",
		Example: example("pfw "+action+" "+args, "pfw "+action+" "+others+" --until 2h --before web"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := draft(cmd.Flags(), action, time.Now())
			if err != nil {
				return err
			}
			return a.put(cmd.Context(), d, place, dry)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	// A key will do as the rule file spells it, too.
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for _, way := range ways {
		flags.Bool(way.word, false, way.usage)
	}
	for _, k := range config.RuleKeys {
		switch usage := keyUsage[k.Key]; {
		case k.Key == "action":
		case k.List():
			flags.StringArray(k.Flag(), nil, usage)
		case k.Key == "enabled" || k.Key == "log":
			flags.Bool(k.Flag(), k.Key == "enabled" || action != "allow", usage)
		default:
			flags.String(k.Flag(), "", usage)
		}
	}
	flags.StringVar(&place.Before, "before", "", "put it before the rule of this `NAME`")
	flags.StringVar(&place.After, "after", "", "put it after the rule of this `NAME`")
	flags.BoolVar(&dry, "dry-run", false, "only print the rule as it would be written")
	return cmd
}

// draft is the rule that the flags ask for.
func draft(flags *pflag.FlagSet, action string, now time.Time) (config.Draft, error) {
	d := config.Draft{"action": {action}}
	var err error
	flags.Visit(func(f *pflag.Flag) {
		if err == nil {
			err = take(d, f, now)
		}
	})
	if err != nil {
		return nil, err
	}
	switch len(d["direction"]) {
	case 0:
		return nil, &usageError{"the direction is missing", fmt.Sprintf("pfw %s --in …, or --out, --both, --forward", action)}
	case 1:
		return d, nil
	}
	return nil, &usageError{fmt.Sprintf("a rule has one direction, not %s", strings.Join(d["direction"], " and ")), "--both is in and out; else write two rules"}
}

// take adds what a flag says to the rule.
func take(d config.Draft, f *pflag.Flag, now time.Time) error {
	if !utf8.ValidString(f.Value.String()) {
		return &usageError{fmt.Sprintf("--%s: the text is not UTF-8", f.Name), ""}
	}
	for _, way := range ways {
		if f.Name == way.word {
			if f.Value.String() == "true" {
				d["direction"] = append(d["direction"], way.word)
			}
			return nil
		}
	}
	i := slices.IndexFunc(config.RuleKeys, func(k config.RuleKey) bool { return k.Flag() == f.Name })
	if i < 0 {
		return nil
	}
	k := config.RuleKeys[i]
	switch list, several := f.Value.(pflag.SliceValue); {
	case several:
		for _, text := range list.GetSlice() {
			for v := range strings.SplitSeq(text, ",") {
				d[k.Key] = append(d[k.Key], strings.TrimSpace(v))
			}
		}
	case k.Key == "until":
		until, err := parseWhen("--until", f.Value.String(), now, true)
		if err != nil {
			return err
		}
		// A rule is not to end before the time is up.
		d["until"] = []string{until.Add(time.Second - 1).Truncate(time.Second).Format(time.RFC3339)}
	default:
		d[k.Key] = append(d[k.Key], f.Value.String())
	}
	return nil
}

// put writes a rule into the file.
func (a *app) put(ctx context.Context, d config.Draft, edit api.RuleEdit, dry bool) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	var file api.File
	var err error
	if !dry || d["name"] == nil {
		if file, err = a.client().Config(ctx); err != nil {
			return err
		}
	}
	if d["name"] == nil {
		taken, err := names(file)
		if err != nil {
			return &unchanged{err, unreadable}
		}
		d["name"] = []string{nameFor(d, taken)}
	}
	if edit.TOML, err = d.TOML(); err != nil {
		return &usageError{err.Error(), "man firewall.toml has the keys"}
	}
	if dry {
		return present(a, map[string]string{"toml": edit.TOML}, func(map[string]string) { a.out.printf("%s", block(edit.TOML)) })
	}
	v, err := a.client().PutRule(ctx, d["name"][0], edit, file.ETag)
	if err != nil {
		return a.unchanged(ctx, file, err)
	}
	return present(a, v, func(v api.Edited) { a.edited(v, string(v.Change)) })
}

// names lists the rules of all files.
func names(f api.File) ([]string, error) {
	var out []string
	for _, file := range f.Files() {
		list, err := file.Names()
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}
