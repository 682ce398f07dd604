package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/policy"
)

// lists are the named address lists of all files.
type lists struct {
	src recorder
	// kept are the long lists of the last load, long those of this one by their paths.
	kept *Kept
	long map[string]keptList
	// beneath are the directories in which list files may lie.
	beneath []string
	// control says that no line of a list file is to be quoted.
	control bool
	byName  map[string]*List
	// broken are the lists in error: a rule that names one is not at fault.
	broken map[string]bool
	order  []*List
	// made are the sets that rules made of several names, by what they wrote; own counts the ranges in them, and told says
	// that they are too many.
	made    map[string]*policy.AddressSet
	own     int
	told    bool
	guesses *guesses
	places  map[string]string

	// cache, fresh and again are of Options.
	cache string
	fresh map[string]string
	again *Standing
	// unsure are the rules that name lists which were never fetched.
	unsure map[policy.Name]unsure
	// texts are the paths of lists of which the text is in the snapshot.
	texts map[string]bool
	// countries are those of [geoip].
	countries *countries
	// domains are the names in all rules.
	domains map[policy.Domain]bool
}

// lan is the built-in list: private addresses (RFC 1918), unique local ones (RFC 4193) and those of a link (RFC 3927,
// RFC 4291).
var lan = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"}

// listName is the form of a list's name. Longer ones would not fit what nft shows of a set.
var listName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$`)

// read reads the [list.*] tables of a file.
func (l *lists) read(f *file, v *value) {
	if v.table == nil {
		f.fault("list", "", v.at, wrong("write [list.NAME]", "a table is wanted here, not %s", v.what()))
		return
	}
	whole := reader{f: f, t: v.table, place: "[list]"}
	whole.twice()
	for _, field := range v.table.inOrder() {
		name := field.name
		place := "[list." + printable(name) + "]"
		if field.value.table == nil {
			f.fault("", place, field.at, wrong("write [list.NAME] and below it entries, file or url", "a table is wanted here, not %s", field.value.what()))
			continue
		}
		r := reader{f: f, t: field.value.table, place: place}
		if first, twice := l.places[name]; twice {
			r.fail("", r.t.at, wrong("names are unique over all files", "the list is there twice (first at %s)", first))
		}
		l.places[name] = fmt.Sprintf("%s:%d", printable(f.name), f.line(r.t.at))
		if !listName.MatchString(name) {
			r.fail("", field.at, wrong("", "list name %q: a name is 1 to 48 letters, digits, '.', '_' and '-', and starts with a letter or digit", name))
		}
		list := l.readOne(&r, name)
		r.done()
		if list == nil || r.failed {
			l.broken[name] = true
			continue
		}
		list.Name = name
		l.add(list)
	}
}

func (l *lists) add(list *List) {
	if list.SkippedLines == nil {
		list.SkippedLines = []int{}
	}
	list.Ranges = list.Set.Len(policy.IPv4) + list.Set.Len(policy.IPv6)
	l.byName[list.Name] = list
	l.order = append(l.order, list)
}

func (l *lists) readOne(r *reader, name string) *List {
	entries := r.value("entries")
	path, file, isPath := r.text("file", "the path of a file")
	address, url, isURL := r.text("url", "the address of a list on the net")
	if url == nil {
		r.misplaced("only a list that is fetched has this", `add url = "https://…"`, "refresh", "insecure")
	}
	switch {
	case entries != nil && file != nil:
		r.fail("file", r.field("file").at, wrong("make it two lists", "a list has entries or a file, not both"))
	case url != nil && (entries != nil || file != nil):
		r.fail("url", r.field("url").at, wrong("make it two lists, and name both in the rule", "a list is fetched, or has entries or a file, not both"))
	case entries != nil:
		return r.entries(entries)
	case isPath:
		return l.readFile(r, name, path, file)
	case isURL:
		return l.readFeed(r, name, address, url)
	case file == nil && url == nil:
		r.missing("entries", `add entries = ["192.0.2.0/24"], or file = "lists/name.netset", or url = "https://…"`)
	}
	return nil
}

// entries reads the addresses that a list itself holds. They are read like lines, but each has to be an address.
func (r *reader) entries(v *value) *List {
	out := &List{Source: "entries"}
	items := []*value{v}
	if v.kind == unstable.Array {
		items = v.items
	}
	var spans []placed
	for _, item := range items {
		if item.kind != unstable.String {
			r.mistyped("entries", item, "an address", addressForms)
			continue
		}
		text := strings.TrimSpace(item.text)
		s, w := parseSpan(text)
		switch {
		case strings.HasPrefix(text, "@"):
			r.fail("entries", item.at, wrong("name both lists in the rule", "%q: a list cannot hold another", text))
			continue
		case strings.HasPrefix(text, "!"):
			r.fail("entries", item.at, wrong("exclude in the rule: remote = [\"@list\", \"!…\"]", "%q: a list has no exclusions", text))
			continue
		case strings.HasPrefix(text, countryPrefix):
			r.fail("entries", item.at, wrong(fmt.Sprintf("name it in the rule: remote = %q", text), "%q: a list has no countries", text))
			continue
		case strings.HasPrefix(text, domainPrefix):
			r.fail("entries", item.at, wrong(fmt.Sprintf("name it in the rule: remote = %q", text), "%q: a list has no names", text))
			continue
		case w != nil:
			r.fail("entries", item.at, w)
			continue
		case s.masked.IsValid():
			out.Masked++
			r.warn("entries", item.at, wrong(fmt.Sprintf("write %q", s.masked), "%q has host bits set; it is read as %s", text, s.masked))
		}
		spans = append(spans, placed{s, text, item.at})
	}
	for _, w := range covered(spans) {
		r.warn("entries", w.at, w.fault)
	}
	out.Entries = len(spans)
	out.Set = setOf(spans)
	return out
}

func (l *lists) readFile(r *reader, name, path string, at *value) *List {
	if path == "" {
		r.fail("file", at.at, wrong("", "the path is empty"))
		return nil
	}
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(filepath.Dir(r.f.name), path)
	}
	if list := l.again.list(name); list != nil {
		return r.remarked("file", at, printable(full)+": ", list)
	}
	text, set, w, err := l.readList(full)
	if err != nil {
		r.fail("file", at.at, l.unread(full, err))
		return nil
	}
	if w != nil {
		r.fail("file", at.at, wrong(w.hint, "%s: %s", printable(full), w.message))
		return nil
	}
	if w := text.garbage(l.control); w != nil {
		r.fail("file", at.at, wrong(w.hint, "%s: %s", printable(full), w.message))
		return nil
	}
	list := text.list(full, set)
	list.File = true
	return r.remarked("file", at, printable(full)+": ", list)
}

// remarked warns of the lines of a list that were skipped.
func (r *reader) remarked(key string, at *value, before string, list *List) *List {
	if w := list.remark(); w != nil {
		r.warn(key, at.at, wrong(w.hint, "%s%s", before, w.message))
	}
	return list
}

// unread says why a list file cannot be read.
func (l *lists) unread(path string, err error) *fault {
	switch {
	case errors.Is(err, ErrOutside):
		return wrong("put it beneath "+printable(strings.Join(l.beneath, ", ")), "%s %s", printable(path), ErrOutside)
	case errors.Is(err, fs.ErrNotExist):
		return wrong("a path is relative to the file that names it", "%s does not exist", printable(path))
	case errors.Is(err, fs.ErrPermission):
		return wrong("", "%s may not be read: permission denied", printable(path))
	}
	return wrong("", "%s", printable(err.Error()))
}

// set finds a list for a rule that names it.
func (l *lists) set(name string) (*policy.AddressSet, *fault) {
	if list := l.byName[name]; list != nil {
		return list.Set, nil
	}
	if l.broken[name] {
		return new(policy.AddressSet), nil
	}
	if name == "lan" {
		var b policy.AddressBuilder
		for _, s := range lan {
			// The literals above are valid prefixes.
			if err := b.AddPrefix(netip.MustParsePrefix(s)); err != nil {
				panic(fmt.Sprintf("config: %s", err))
			}
		}
		list := &List{Name: "lan", Source: "built in", Entries: len(lan), Set: b.Set()}
		l.add(list)
		return list.Set, nil
	}
	return nil, unknown(func() string { return l.suggest(name) }, "unknown list %q", "@"+name)
}

// named notes that a rule matches what is in a list, or excludes it.
func (l *lists) named(name string, rule policy.Name, excluded bool) {
	list := l.byName[name]
	if list == nil {
		return
	}
	if list.Feed != nil && list.Feed.Missing {
		l.unsure[rule] = l.unsure[rule].with(name, excluded)
	}
	if excluded {
		return
	}
	// Rules are read one by one.
	if n := len(list.Rules); n == 0 || list.Rules[n-1] != rule {
		list.Rules = append(list.Rules, rule)
	}
}

func (l *lists) suggest(name string) string {
	if !l.guesses.allow(len(l.byName) + len(l.broken)) {
		return ""
	}
	names := slices.Collect(maps.Keys(l.byName))
	names = append(names, slices.Collect(maps.Keys(l.broken))...)
	if !slices.Contains(names, "lan") {
		names = append(names, "lan")
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = "@" + n
	}
	return suggest("@"+name, names)
}

func (l *lists) has(name string) bool {
	return name == "lan" || l.byName[name] != nil || l.broken[name]
}
