package config

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"pfw/config/country"
	"pfw/config/policy"
)

const (
	countryPrefix = "country:"
	geoipForm     = `[geoip] with database = "/usr/share/GeoIP/GeoLite2-Country.mmdb"`
)

// StaleTime is how old a database of countries may be before it is told: networks change hands, and new databases come out each
// month at least.
const StaleTime = 60 * 24 * time.Hour

// countries are those of the database that [geoip] names. It is read once, where a rule asks for a country.
type countries struct {
	lists *lists
	now   time.Time
	// r is of [geoip], nil where there is none; broken says that there is one and it is not known.
	r      *reader
	broken bool
	path   string
	at     int
	// want are all that the files name.
	want []country.Code
	// db is nil until it is read, and where it cannot be.
	db   *country.Database
	kept keptCountries
}

// keptCountries is a database that was read.
type keptCountries struct {
	path string
	file identity // the zero identity where it may have changed since
	db   *country.Database
}

// read reads [geoip] of firewall.toml.
func (c *countries) read(f *file, t *table) {
	if t == nil {
		return
	}
	c.r = &reader{f: f, t: t, place: "[geoip]"}
	path, at, ok := c.r.text("database", "the path of a file")
	switch {
	case at == nil:
		c.r.missing("database", `add database = "/usr/share/GeoIP/GeoLite2-Country.mmdb"`)
	case ok && path == "":
		c.r.fail("database", at.at, wrong("", "the path is empty"))
	case ok:
		c.path, c.at = path, at.at
		if !filepath.IsAbs(path) {
			c.path = filepath.Join(filepath.Dir(f.name), path)
		}
	}
	c.r.done()
	c.broken = c.r.failed
}

// wanted notes the countries that a file names, so that the database is read once for all of them.
func (c *countries) wanted(v *value) {
	if v == nil {
		return
	}
	if v.kind == unstable.String {
		if s, ok := strings.CutPrefix(strings.TrimPrefix(v.text, "!"), countryPrefix); ok && country.Is(s) && !slices.Contains(c.want, country.Code(s)) {
			c.want = append(c.want, country.Code(s))
		}
	}
	for _, item := range v.items {
		c.wanted(item)
	}
	if v.table != nil {
		for _, f := range v.table.fields {
			c.wanted(f.value)
		}
	}
}

// set gives the addresses of a country, by what stands behind "country:".
func (c *countries) set(s string) (*policy.AddressSet, *fault) {
	code := country.Code(s)
	switch upper := strings.ToUpper(s); {
	case !country.Is(s) && country.Known(country.Code(upper)):
		return nil, wrong(fmt.Sprintf("did you mean %q?", countryPrefix+upper), "%q is no country: its two letters are capitals", countryPrefix+s)
	case !country.Is(s):
		return nil, wrong(`write its two letters, as in "country:DE"`, "%q is no country", countryPrefix+s)
	case c.broken:
		return new(policy.AddressSet), nil
	case c.r == nil:
		return nil, wrong("add "+geoipForm, "%q needs a database of countries", countryPrefix+s)
	case c.db == nil:
		if c.db = c.open(); c.db == nil {
			c.broken = true
			return new(policy.AddressSet), nil
		}
	}
	found := c.db.Countries[code]
	if found.Networks == 0 && !country.Known(code) {
		hint := "its letters are those of ISO 3166-1"
		if meant, ok := country.Meant(code); ok {
			hint = fmt.Sprintf("did you mean %q?", countryPrefix+string(meant))
		}
		return nil, wrong(hint, "%q: no country has these letters", countryPrefix+s)
	}
	return found.Set, nil
}

// country is set for a rule that names one, which then is among the lists.
func (l *lists) country(s string) (*policy.AddressSet, *fault) {
	c := l.countries
	set, w := c.set(s)
	if w == nil && !c.broken && l.byName[countryPrefix+s] == nil {
		l.add(&List{Name: countryPrefix + s, Source: c.path, Built: c.db.Built, Entries: c.db.Countries[country.Code(s)].Networks, Set: set})
	}
	return set, w
}

// nothing says that a country which a rule names has no address.
func (l *lists) nothing(s string) *fault {
	if !strings.HasPrefix(s, countryPrefix) {
		return nil
	}
	if list := l.byName[s]; list == nil || list.Entries > 0 {
		return nil
	}
	return wrong("", "%q matches nothing: %s has no address of it", s, printable(l.countries.path))
}

// open reads the database, nil where it cannot be.
func (c *countries) open() *country.Database {
	db, err := c.load()
	if err != nil {
		c.r.fail("database", c.at, err)
		return nil
	}
	if old := c.now.Sub(db.Built); old > StaleTime {
		c.r.warn("database", c.at, wrong("geoipupdate, or who else brings it, should bring a new one", "%s was built on %s, %d days ago", printable(c.path), db.Built.UTC().Format(time.DateOnly), old/(24*time.Hour)))
	}
	if db.Only4 {
		c.r.warn("database", c.at, wrong("use one for both families", "%s has IPv4 addresses only, so a country has no IPv6 address", printable(c.path)))
	}
	return db
}

func (c *countries) load() (*country.Database, *fault) {
	l := c.lists
	if l.again != nil {
		c.kept = l.again.countries
		return c.kept.db, nil
	}
	f, err := l.src.OpenBeneath(c.path, l.beneath)
	if err != nil {
		return nil, l.unread(c.path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, l.unread(c.path, err)
	}
	id, sure := identify(info)
	db := l.kept.database(c.path, id, c.want)
	if db == nil {
		data, err := readSized(f, c.path, info.Size())
		if err != nil {
			return nil, l.unread(c.path, err)
		}
		if db, err = country.Read(data, c.want); err != nil {
			return nil, wrong("a database of countries is wanted, as GeoLite2-Country.mmdb", "%s %s", printable(c.path), printable(err.Error()))
		}
	}
	c.kept = keptCountries{c.path, id, db}
	if !sure {
		c.kept.file = identity{}
	}
	l.src.openedLong(openDatabase, c.path, l.beneath, id, sure)
	l.src.kept.long[clean(c.path)] = resolved{db, id}
	return db, nil
}

// database gives the database as it was read, where it did not change since and has all that is wanted; nil otherwise.
func (k *Kept) database(path string, id identity, want []country.Code) *country.Database {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.countries
	if x.db == nil || x.path != path || x.file != id || id == (identity{}) {
		return nil
	}
	for _, code := range want {
		if _, there := x.db.Countries[code]; !there {
			return nil
		}
	}
	return x.db
}

// resolved are the countries of a database, for a snapshot: the database itself is not kept.
type resolved struct {
	db   *country.Database
	file identity
}

func (r resolved) save(out *tar.Writer, name string) error {
	text, err := r.db.Save()
	if err != nil {
		return err
	}
	return saveFile(out, name, int64(len(text)), bytes.NewReader(text))
}

func (r resolved) mark() []byte {
	return fmt.Append(nil, r.file, slices.Sorted(maps.Keys(r.db.Countries)))
}
