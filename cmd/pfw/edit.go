package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"pfw/config"
	"pfw/daemon/api"
)

// edits are the verbs that change the rules of a file.
func (a *app) edits() []*cobra.Command {
	return []*cobra.Command{
		a.write("allow", "Write a rule that lets connections through", "--in --port ssh --remote @lan", "--in --port ssh --remote 198.51.100.7"),
		a.write("block", "Write a rule that drops connections in silence", "--in --remote 203.0.113.0/24", "--in --remote 198.51.100.7"),
		a.write("reject", "Write a rule that refuses connections with an answer", "--out --protocol tcp --port 23,25", "--out --protocol tcp --port 143"),
		a.delete(), a.enable(), a.disable(),
	}
}

func (a *app) delete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME...",
		Short: "Take rules out of the rule file, and put it in force",
		Long: "Take rules out of the rule file, and put the file in force. The comment lines right above a rule, without a blank line\n" +
			"between, go with it; the rest of the file stays as it is, to the byte. What it said before is in firewall.toml~.\n" +
			"Exit status: 0 in force, 4 the file would not be valid, 5 one of its expectations would not hold any more.",
		Example: example("pfw delete allow-in-tcp-22"),
		Args:    words(1, math.MaxInt, "the name of a rule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd.Context(), args, func(ctx context.Context, name string, file api.File) (api.Edited, string, error) {
				v, err := a.client().DeleteRule(ctx, name, file.ETag)
				return v, string(v.Change), err
			})
		},
	}
}

func (a *app) enable() *cobra.Command {
	return &cobra.Command{
		Use:   "enable NAME...",
		Short: "Switch rules of the rule file on, and put it in force",
		Long: "Set enabled to true in the text of rules, and put the file in force. The rest of the file stays as it is, to the byte.\n" +
			"Exit status: 0 in force, 4 the file would not be valid, 5 one of its expectations would not hold any more.",
		Example: example("pfw enable web"),
		Args:    words(1, math.MaxInt, "the name of a rule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd.Context(), args, a.switched(true, "enabled"))
		},
	}
}

func (a *app) disable() *cobra.Command {
	return &cobra.Command{
		Use:   "disable NAME...",
		Short: "Switch rules of the rule file off, and put it in force",
		Long: "Set enabled to false in the text of rules, and put the file in force: the rules stay where they are, and decide nothing.\n" +
			"The rest of the file stays as it is, to the byte.\n" +
			"Exit status: 0 in force, 4 the file would not be valid, 5 one of its expectations would not hold any more.",
		Example: example("pfw disable web"),
		Args:    words(1, math.MaxInt, "the name of a rule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd.Context(), args, a.switched(false, "disabled"))
		},
	}
}

// unreadable is said where nobody can tell the rules of a file apart.
const unreadable = "nothing was changed, as the rule files were not valid before, either"

// change changes one rule of the files, and says in a word what became of it.
type change func(ctx context.Context, name string, file api.File) (v api.Edited, done string, err error)

// each changes rules one after another, once all are known to be there.
func (a *app) each(ctx context.Context, rules []string, do change) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTime)
	defer cancel()
	for i, name := range rules {
		file, err := a.client().Config(ctx)
		if err != nil {
			return err
		}
		known, err := names(file)
		switch {
		case err != nil && i == 0:
			return &unchanged{err, unreadable}
		case err != nil:
			return err
		}
		for _, next := range rules[i:] {
			if !slices.Contains(known, next) {
				return notThere(next, known)
			}
		}
		v, done, err := do(ctx, name, file)
		switch {
		case err != nil && i > 0:
			return &unchanged{err, fmt.Sprintf("rule %s was not changed; those before it were", name)}
		case err != nil:
			return a.unchanged(ctx, file, err)
		}
		if err := present(a, v, func(v api.Edited) { a.edited(v, done) }); err != nil {
			return err
		}
	}
	return nil
}

// unchanged is an error after which the rule files are as they were, or as the note says.
type unchanged struct {
	error
	note string
}

func (e *unchanged) Unwrap() error { return e.error }

// unchanged says of an edit that would leave rule files that are not valid what became of them, and whether they were before.
func (a *app) unchanged(ctx context.Context, before api.File, err error) error {
	if problem := new(api.Problem); !errors.As(err, &problem) || problem.Type != api.InvalidFile {
		return err
	}
	note := "nothing was changed"
	if v, failed := a.client().Check(ctx, before.Text); failed == nil && !v.Valid {
		note += "; the rule files were not valid before, either: pfw check shows why"
	}
	return &unchanged{err, note}
}

func notThere(name string, known []string) error {
	hint := config.DidYouMean(name, known)
	if hint == "" {
		hint = "pfw rules lists them"
	}
	return api.NewProblem(http.StatusNotFound, fmt.Sprintf("there is no rule %q", name), hint)
}

// switched sets enabled.
func (a *app) switched(on bool, done string) change {
	return func(ctx context.Context, name string, file api.File) (api.Edited, string, error) {
		for _, f := range file.Files() {
			list, err := f.Names()
			if err != nil {
				return api.Edited{}, "", err
			}
			if !slices.Contains(list, name) {
				continue
			}
			text, changed, err := f.Enabled(name, on)
			if err != nil {
				return api.Edited{}, "", err
			}
			v, err := a.client().PutRule(ctx, name, api.RuleEdit{TOML: text}, file.ETag)
			if !changed {
				return v, done + " already:", err
			}
			return v, done, err
		}
		return api.Edited{}, "", notThere(name, nil)
	}
}

// edited says what became of a rule.
func (a *app) edited(v api.Edited, done string) {
	a.warnings(v.Warnings)
	a.out.printf("%s rule %s (%s:%d), in force as generation %d\n", done, styled{bold, v.Rule}, v.File, v.Line, v.Generation)
	if v.Note != "" {
		a.out.printf("  note: %s\n", v.Note)
	}
	switch v.State {
	case api.Panic:
		a.out.printf("%s\n", styled{yellow, "it decides nothing while panic is on: pfw panic off ends that"})
	case api.Degraded:
		a.out.printf("%s\n", styled{yellow, "something is wrong all the same: pfw status tells what"})
	}
}
