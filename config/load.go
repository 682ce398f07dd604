package config

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pfw/config/policy"
)

// Load reads firewall.toml at path, the files of firewall.d beside it and the lists that they name. The error is
// *Errors where the files could be read and are not valid; any other where firewall.toml itself could not be read.
func Load(path string, o Options) (*Config, error) {
	if o.Again != nil {
		path, o.Source, o.Text = o.Again.path, o.Again.files, nil
	}
	if o.Source == nil {
		o.Source = Regular()
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	// Schedules and local times are read by the machine's clock.
	o.Now = o.Now.In(time.Local)
	kept := &Snapshot{path: clean(path), files: map[string][]byte{}, long: map[string]unsaved{}}
	l := &loader{
		path: path, now: o.Now, text: o.Text, control: o.Control,
		src: recorder{o.Source, kept, new(Trace)}, taken: map[string]taken{},
		beneath: readFrom(path),
	}
	l.guesses = &guesses{left: mostGuesses}
	l.names = &names{src: l.src, guesses: l.guesses}
	l.lists = &lists{src: l.src, kept: o.Kept, long: map[string]keptList{}, beneath: l.beneath, control: o.Control, guesses: l.guesses, made: map[string]*policy.AddressSet{},
		byName: map[string]*List{}, broken: map[string]bool{}, places: map[string]string{},
		cache: o.Cache, fresh: o.Fresh, again: o.Again, unsure: map[policy.Name]unsure{}, texts: map[string]bool{}, domains: map[policy.Domain]bool{}}
	l.lists.countries = &countries{lists: l.lists, now: o.Now}
	if err := l.files(); err != nil {
		return nil, err
	}
	c, err := l.load()
	if err != nil {
		return nil, err
	}
	c.Snapshot, c.long, c.countries = kept, l.lists.long, l.lists.countries.kept
	if o.Text == nil {
		c.Trace = l.src.trace
	}
	c.Standing = l.standing(c)
	if o.Again != nil {
		c.Snapshot = nil // it lacks the lists that were not read again
	}
	return c, nil
}

// loader is one load.
type loader struct {
	path    string
	now     time.Time
	text    *string
	control bool
	// elsewhere says that firewall.toml is a link to a file outside of the directories that pfw reads.
	elsewhere bool
	src       recorder
	beneath   []string
	names     *names
	lists     *lists
	guesses   *guesses
	read      []*file

	defaults  policy.Defaults
	log       policy.Log
	bans      policy.Bans
	detect    policy.Detect
	sinks     Sinks
	rules     []ruleEntry
	taken     map[string]taken
	ruleNames []string
	expects   []expectEntry
	// weight is what it takes to hold a packet against all rules.
	weight int
}

// files reads and parses all rule files.
func (l *loader) files() error {
	text, err := l.root()
	if err != nil {
		return err
	}
	l.read = append(l.read, parse(l.path, text))
	paths, err := moreFiles(l.path, l.src)
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := l.src.ReadBeneath(path, l.beneath)
		if err != nil {
			f := &file{name: path}
			f.fault("", "", 0, l.lists.unread(path, err))
			l.read = append(l.read, f)
			continue
		}
		l.read = append(l.read, parse(path, text))
	}
	return nil
}

// root gives the text of firewall.toml.
func (l *loader) root() ([]byte, error) {
	if l.text != nil {
		return l.src.keep(l.path, []byte(*l.text), nil)
	}
	if !l.control {
		return l.src.ReadFile(l.path)
	}
	data, err := l.src.ReadBeneath(l.path, l.beneath)
	if errors.Is(err, ErrOutside) {
		l.elsewhere = true
		return l.src.ReadFile(l.path)
	}
	return data, err
}

func (l *loader) load() (*Config, error) {
	l.settings()
	for _, f := range l.parsed() {
		l.lists.countries.wanted(&value{table: f.root})
	}
	// Lists first: a rule may name one that stands below it, or in another file.
	for _, f := range l.parsed() {
		if x := f.root.fields["list"]; x != nil {
			l.lists.read(f, x.value)
		}
	}
	l.guards()
	for i, f := range l.parsed() {
		l.entries(f, i == 0 && f == l.read[0])
	}
	l.answersFit()
	p := l.policy()
	expectations := l.expectations(p)
	var problems []Problem
	warnings := []Problem{}
	for _, f := range l.read {
		problems = append(problems, f.problems...)
		warnings = append(warnings, f.warnings...)
	}
	l.sort(problems)
	l.sort(warnings)
	failed := slices.ContainsFunc(expectations, func(x Expectation) bool { return !x.OK })
	if len(problems) > 0 || failed {
		return nil, l.refusal(&Errors{Problems: problems, Expectations: expectations, Warnings: warnings})
	}
	c := &Config{Policy: p, Sinks: l.sinks, Expectations: expectations, Warnings: warnings, Lists: []List{}}
	for _, list := range l.lists.order {
		c.Lists = append(c.Lists, *list)
	}
	return c, nil
}

// refusal hides what is wrong where the text is that of a file which the asker need not be allowed to read.
func (l *loader) refusal(e *Errors) *Errors {
	if !l.elsewhere {
		return e
	}
	message := "the file has an error; it is a link to somewhere else, so it is not shown here"
	if n := len(e.All()); n > 1 {
		message = fmt.Sprintf("the file has %d errors; it is a link to somewhere else, so they are not shown here", n)
	}
	return &Errors{Problems: []Problem{{File: l.path, Line: 1, Column: 1, Message: message,
		Hint: "run: pfw check " + printable(l.path)}}}
}

// parsed lists the files that are valid TOML.
func (l *loader) parsed() []*file {
	return slices.DeleteFunc(slices.Clone(l.read), func(f *file) bool { return f.root == nil })
}

// settings reads [default], [log] and [geoip] of firewall.toml.
func (l *loader) settings() {
	f := l.read[0]
	if f.root == nil {
		// What firewall.toml says of forwarding is not known: rules of other files are not at fault.
		l.defaults.Forward = policy.ForwardBy(policy.Block)
		l.lists.countries.broken = true
		return
	}
	top := reader{f: f, t: f.root}
	l.defaults = readDefaults(f, top.sub("default", "a table", "write [default] on a line of its own"))
	l.log, l.sinks = readLog(f, top.sub("log", "a table", "write [log] on a line of its own"))
	l.lists.countries.read(f, top.sub("geoip", "a table", "write [geoip] on a line of its own"))
}

// guards reads [ban] and [detect] of firewall.toml, of which the first may name lists.
func (l *loader) guards() {
	f := l.read[0]
	if f.root == nil {
		return
	}
	top := reader{f: f, t: f.root}
	l.bans = readBans(f, top.sub("ban", "a table", "write [ban] on a line of its own"), l.lists)
	l.detect = readDetect(f, top.sub("detect", "a table", "write [detect] on a line of its own"))
}

// policy makes the policy of the rules that are well-formed, and places what it says of them. It is nil where a rule of
// it cannot be.
func (l *loader) policy() *policy.Policy {
	rules := make([]policy.Rule, len(l.rules))
	for i, r := range l.rules {
		rules[i] = r.Rule
		l.weight += weigh(&r.Rule)
	}
	p, found := policy.New(l.defaults, l.log, rules, l.now)
	for _, x := range found {
		r := l.rules[x.Rule].r
		at := r.t.at
		if f := r.t.fields[x.Key]; f != nil {
			at = f.value.at
		}
		w := wrong(x.Hint, "%s", x.Message)
		switch u := l.lists.unsure[policy.Name(r.rule)]; {
		case x.Fatal:
			r.fail(x.Key, at, w)
		case u.named == "" && u.excluded == "":
			r.warn(x.Key, at, w)
		default:
			// It is said once the list is there, if it holds then: that of one which is empty every rule takes all.
		}
	}
	for _, f := range l.read {
		if len(f.problems) > 0 {
			return nil
		}
	}
	return p.Guarding(l.bans, l.detect)
}

func (l *loader) sort(problems []Problem) {
	order := map[string]int{}
	for i, f := range l.read {
		order[f.name] = i
	}
	slices.SortStableFunc(problems, byPlace(order))
}
