package config

import (
	"maps"
	"slices"

	"pfw/config/policy"
)

// Standing is the rule files of a policy as they were read, and its lists, for reading them again when a list was fetched:
// whoever edits a rule file meanwhile has not put it in force yet. Lists that are not fetched are as they were.
type Standing struct {
	path  string
	files *Snapshot
	lists map[string]List
	long  map[string]keptList
	// countries are those of the database as it was read.
	countries keptCountries
}

// standing keeps what reads the same rule files again, nil where no list is fetched.
func (l *loader) standing(c *Config) *Standing {
	if !slices.ContainsFunc(c.Lists, func(x List) bool { return x.Feed != nil }) {
		return nil
	}
	s := &Standing{path: l.path, files: &Snapshot{path: clean(l.path), files: map[string][]byte{}}, lists: map[string]List{}}
	for path, text := range l.src.kept.files {
		if !l.lists.texts[path] {
			s.files.files[path] = text
		}
	}
	for _, list := range c.Lists {
		list.Rules = nil
		s.lists[list.Name] = list
	}
	if l.lists.again != nil {
		// Long lists that were not read again.
		more := maps.Clone(l.lists.again.long)
		maps.Copy(more, c.long)
		c.long = more
	}
	s.long, s.countries = c.long, l.lists.countries.kept
	return s
}

// list gives a list as it was; nil where it is to be read.
func (s *Standing) list(name string) *List {
	if s == nil {
		return nil
	}
	list, there := s.lists[name]
	if !there {
		return nil
	}
	return &list
}

// unsure are the lists without a copy that a rule names and those that it excludes.
type unsure struct{ named, excluded string }

func (u unsure) with(list string, excluded bool) unsure {
	if excluded {
		u.excluded = list
	} else {
		u.named = list
	}
	return u
}

// unjudged names the list without a copy that an expectation fails for, or may: a rule that names the list could give the
// verdict which is expected, or the rule that gives another would not match if the list that it excludes were there. "" where it
// fails whatever is in such lists. A list that cannot be fetched must not keep a policy from coming into force.
func (l *loader) unjudged(p *policy.Policy, e *expectEntry, x Expectation) string {
	if by := l.lists.unsure[policy.Name(x.Rule)]; by.excluded != "" {
		return by.excluded
	}
	for _, r := range p.Rules() {
		if u := l.lists.unsure[r.Name]; u.named != "" && !r.Disabled && r.Action == e.verdict {
			return u.named
		}
	}
	return ""
}
