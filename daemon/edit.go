package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/api"
)

// ruleEdit is a change of one rule in one of the rule files. It is made and checked while others may change things too, so
// that nobody waits for its lists; install finds out whether somebody did.
type ruleEdit struct {
	d     *Daemon
	files []config.RuleFile // as they are
	names []string          // of all rules
	rule  string
	at    int     // the file that holds the rule, or is to
	there bool    // the rule is there already
	text  string  // what that file is to be
	made  *loaded // what it means then
}

// PutRule puts a rule into a file, and the files in force.
func (d *Daemon) PutRule(ctx context.Context, name string, r api.RuleEdit, match string) (api.Edited, error) {
	e, err := d.beginEdit(name, match)
	if err != nil {
		return api.Edited{}, err
	}
	place := config.Place{Before: r.Before, After: r.After}
	if err := e.aim(place); err != nil {
		return api.Edited{}, err
	}
	if err := e.put(ctx, r.TOML, place); err != nil {
		return api.Edited{}, err
	}
	note, err := e.uncover(ctx, r.TOML, place)
	if err != nil {
		return api.Edited{}, err
	}
	v := api.Edited{Rule: name, Change: api.Added, Note: cmp.Or(note, e.spared())}
	if e.there {
		v.Change, v.Note = api.Replaced, note
	}
	origin := e.made.config.Policy.Rule(policy.Name(name)).Origin
	v.File, v.Line = origin.File, origin.Line
	v.Outcome, err = e.install(ctx, e.done(v.Change, r.TOML))
	return v, err
}

// done says in a word what becomes of the rule: of one that is replaced by itself, switched on or off, that it is.
func (e *ruleEdit) done(change api.Change, toml string) string {
	if change == api.Replaced {
		for word, on := range map[string]bool{"enabled": true, "disabled": false} {
			// The rule has been found.
			if text, changed, err := e.files[e.at].Enabled(e.rule, on); err == nil && changed && text == toml {
				return word
			}
		}
	}
	return string(change)
}

// DeleteRule takes a rule out of its file, and puts the files in force.
func (d *Daemon) DeleteRule(ctx context.Context, name, match string) (api.Edited, error) {
	e, err := d.beginEdit(name, match)
	if err != nil {
		return api.Edited{}, err
	}
	if !e.there {
		return api.Edited{}, e.noSuchRule(name)
	}
	file := e.files[e.at]
	if e.text, err = file.Delete(name); err != nil {
		return api.Edited{}, err
	}
	if err := e.check(ctx); err != nil {
		return api.Edited{}, err
	}
	v := api.Edited{Rule: name, Change: api.Deleted, File: file.Path, Line: file.Line(name)}
	v.Outcome, err = e.install(ctx, string(v.Change))
	return v, err
}

// beginEdit reads the rule files, which have to be those that the change is meant for.
func (d *Daemon) beginEdit(name, match string) (*ruleEdit, error) {
	if err := d.changeable(); err != nil {
		return nil, err
	}
	files, err := d.ruleFiles()
	if err != nil {
		return nil, err
	}
	if !api.Matches(match, etagOf(files)) {
		return nil, changedMeanwhile()
	}
	e := &ruleEdit{d: d, files: files, rule: name}
	for i, f := range files {
		names, err := f.Names()
		if err != nil {
			return nil, err
		}
		e.names = append(e.names, names...)
		if slices.Contains(names, name) {
			e.at, e.there = i, true
		}
	}
	return e, nil
}

func changedMeanwhile() error {
	return api.NewProblem(http.StatusPreconditionFailed, "the rule files have changed since they were read", "look at what has changed, and do it again")
}

func (e *ruleEdit) noSuchRule(name string) error {
	hint := config.DidYouMean(name, e.names)
	if hint == "" {
		hint = "pfw rules lists them"
	}
	return api.NewProblem(http.StatusNotFound, fmt.Sprintf("there is no rule %q", name), hint)
}

// aim finds the file for a rule that is to stand beside another.
func (e *ruleEdit) aim(place config.Place) error {
	beside := place.Before + place.After
	if beside == "" {
		return nil
	}
	for i, f := range e.files {
		// All files have been read.
		if names, err := f.Names(); err != nil || !slices.Contains(names, beside) {
			continue
		}
		if e.there && e.at != i {
			return api.NewProblem(http.StatusConflict, fmt.Sprintf("rule %q is in %s, and %q in %s", e.rule, e.files[e.at].Path, beside, f.Path),
				"a rule moves within its file: delete it, and add it anew beside the other")
		}
		e.at = i
		return nil
	}
	return e.noSuchRule(beside)
}

// put makes the text with the rule, and checks it.
func (e *ruleEdit) put(ctx context.Context, toml string, place config.Place) (err error) {
	if e.text, err = e.files[e.at].Put(e.rule, toml, place); err != nil {
		return err
	}
	return e.check(ctx)
}

// uncover sees to it that an earlier rule does not hide a new one, nor one that was put beside another: where it may, it puts
// the rule before that. A rule that is changed in its place stays there, with a warning.
func (e *ruleEdit) uncover(ctx context.Context, toml string, place config.Place) (note string, err error) {
	placed := place != config.Place{}
	if e.there && !placed {
		return "", nil
	}
	by, twin := e.made.config.Policy.Hider(policy.Name(e.rule))
	switch {
	case by == nil:
		return "", nil
	case twin:
		return "", api.NewProblem(http.StatusConflict,
			fmt.Sprintf("rule %s (%s:%d) does the same already", by.Name, by.Origin.File, by.Origin.Line),
			fmt.Sprintf("change that one with --name %s, or put this one before it with --before %s", by.Name, by.Name))
	case !placed && by.Origin.File == e.files[e.at].Path:
		if err := e.put(ctx, toml, config.Place{Before: string(by.Name)}); err != nil {
			return "", err
		}
		if still, _ := e.made.config.Policy.Hider(policy.Name(e.rule)); still == nil {
			return fmt.Sprintf("it stands before rule %s, which would take all that it asks for", by.Name), nil
		}
	}
	return "", api.NewProblem(http.StatusConflict,
		fmt.Sprintf("rule %s would never match there: the earlier rule %s (%s:%d) takes all that it asks for", e.rule, by.Name, by.Origin.File, by.Origin.Line),
		fmt.Sprintf("put it before that one with --before %s", by.Name))
}

// spared says which earlier rule goes on allowing a part of what a new rule refuses, "" where none does.
func (e *ruleEdit) spared() string {
	p := e.made.config.Policy
	by := p.Spares(policy.Name(e.rule))
	if by == nil {
		return ""
	}
	return fmt.Sprintf("rule %s stands before it and allows a part of what it refuses; --before %s puts it first", by.Name, by.Name)
}

// check reads the rule files as they would be.
func (e *ruleEdit) check(ctx context.Context) (err error) {
	path := e.files[e.at].Path
	if err := e.d.editable(path); err != nil {
		return err
	}
	done, err := e.d.alone(ctx)
	if err != nil {
		return err
	}
	defer done()
	e.made, err = e.d.read(config.Options{Now: time.Now(), Control: true, Source: overlay{config.Regular(), path, []byte(e.text)}})
	return err
}

// install writes the file and puts it in force; done says in a word what becomes of the rule. A file that cannot be put in force is as it was before.
func (e *ruleEdit) install(ctx context.Context, done string) (api.Outcome, error) {
	defer e.d.hold()()
	if err := e.d.changeable(); err != nil {
		return api.Outcome{}, err
	}
	files, err := e.d.ruleFiles()
	if err != nil {
		return api.Outcome{}, err
	}
	if etagOf(files) != etagOf(e.files) {
		return api.Outcome{}, changedMeanwhile()
	}
	file := e.files[e.at]
	wrote := false
	o, err := e.d.exchange(ctx, func() (*loaded, error) {
		wrote = true
		e.made.why = fmt.Sprintf("rule %s %s: ", e.rule, done)
		return e.made, e.write()
	}, func(err error) {
		e.d.log.Warn("an edit of the rules is refused and changes nothing", "rule", e.rule, "error", err)
		e.d.audit.Append(e.d.reloadEntry("not edited: " + brief(err)))
	})
	if err == nil {
		e.d.log.Info("rule "+done, "rule", e.rule, "file", file.Path)
		return o, nil
	}
	if wrote {
		if err := putBack(filepath.Dir(e.d.o.Config), file.Path, []byte(file.Text)); err != nil {
			e.d.log.Error("the file has an edit that is not in force", "file", file.Path, "error", err)
		}
	}
	return api.Outcome{}, err
}

// write gives the file its new text.
func (e *ruleEdit) write() error {
	home := filepath.Dir(e.d.o.Config)
	if err := install(home, e.files[e.at].Path, []byte(e.text)); err != nil {
		return api.NewProblem(http.StatusInternalServerError, err.Error(),
			fmt.Sprintf("let user pfw write to %s, as systemd-tmpfiles --create does, and free space on its disk", home))
	}
	return nil
}
