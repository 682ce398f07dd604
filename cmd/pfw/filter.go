package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/daemon/audit"
)

// filterFlags are how monitor and log are told which events are wanted.
type filterFlags []*filterFlag

type filterFlag struct {
	name, key string // on the command line, and in the API
	usage     string
	values    []string
}

func newFilterFlags(cmd *cobra.Command) filterFlags {
	all := filterFlags{
		{name: "rule", key: "rule", usage: "that the rule `NAME` decided; default where none matched"},
		{name: "src", key: "src", usage: "from an `ADDRESS`, a prefix or a range"},
		{name: "dest", key: "dest", usage: "to an `ADDRESS`, a prefix or a range"},
		{name: "address", key: "address", usage: "from or to an `ADDRESS`, a prefix or a range"},
		{name: "src-port", key: "src_port", usage: "from a `PORT`, a range or a service"},
		{name: "dest-port", key: "dest_port", usage: "to a `PORT`, a range or a service"},
		{name: "port", key: "port", usage: "from or to a `PORT`, a range or a service"},
		{name: "direction", key: "direction", usage: "of a `DIRECTION`: " + strings.Join(api.Directions, ", ")},
		{name: "action", key: "action", usage: "with an `ACTION`: " + strings.Join(api.Actions, ", ")},
		{name: "proto", key: "proto", usage: "of a `PROTOCOL`, by name or number"},
		{name: "event", key: "event_type", usage: "of a `TYPE`: " + strings.Join(api.EventTypes, ", ")},
	}
	for _, f := range all {
		cmd.Flags().StringArrayVar(&f.values, f.name, nil, f.usage)
	}
	// A filter may be named as entries name the field, and in the other ways that the API takes.
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		key := api.FilterName(strings.ReplaceAll(name, "-", "_"))
		for _, f := range all {
			if f.key == key {
				return pflag.NormalizedName(f.name)
			}
		}
		return pflag.NormalizedName(name)
	})
	return all
}

const filterHelp = `A filter may be repeated, or its values joined by commas. Shown is what has, for each filter that is given, one of
its values; an event that has no such thing at all, as a reload has no address, is not.`

// read gives the filter that the flags make.
func (flags filterFlags) read() (audit.Filter, error) {
	values := url.Values{}
	for _, f := range flags {
		values[f.key] = f.values
	}
	filter, err := api.ParseFilter(values)
	var wrong *api.FilterError
	var value *config.ValueError
	if errors.As(err, &wrong) && errors.As(err, &value) {
		for _, f := range flags {
			if f.key == wrong.Key {
				hint := value.Hint
				if f.key == "event_type" {
					hint += "; --action tells block from reject"
				}
				return filter, &usageError{"--" + f.name + ": " + value.Message, hint}
			}
		}
	}
	return filter, err
}

// doubt warns of names that no rule in force has. They are no error: the log has rules of the past, and a reload may bring others.
func (a *app) doubt(ctx context.Context, names []string) {
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	v, err := a.client().Rules(ctx, true)
	if err != nil {
		return // the question itself tells
	}
	known := slices.Clone(policy.ReservedNames)
	for _, r := range v.Rules {
		known = append(known, r.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			a.err.printf("%s %s\n", styled{yellow, "warning:"}, strings.TrimSpace(fmt.Sprintf("no rule in force is named %q. %s", name, nearest(name, known))))
		}
	}
}
