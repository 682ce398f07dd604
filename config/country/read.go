// Package country reads which addresses a country has from a MaxMind DB, the format of GeoLite2-Country, GeoIP2-Country and the
// country databases of DB-IP. Whatever the file holds, reading it ends, in bounded memory.
package country

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"pfw/config/policy"
)

// Code is a country's two letters, as ISO 3166-1 has them.
type Code string

// Is tells whether s has the form of a code.
func Is(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

// Country is what a database has of one.
type Country struct {
	// Networks counts its networks in the database.
	Networks int
	Set      *policy.AddressSet
}

// Database is what was read of one.
type Database struct {
	// Type is what it says of itself, as "GeoLite2-Country".
	Type  string
	Built time.Time
	// Only4 tells that it has no IPv6 addresses.
	Only4 bool
	// Countries has those that were asked for; one that the database does not name has no networks.
	Countries map[Code]Country
	// Named are all that the database names, in order.
	Named []Code
}

// What no real database exceeds: the largest of cities have ten million nodes and half a million records.
const (
	mostSteps    = 16 // for each node of the search tree, which has two records
	mostRecords  = 2 << 20
	mostNetworks = 4 << 20
	mostTime     = 30 * time.Second
)

// Read reads the countries that are asked for, from a database or from what Save kept of one.
func Read(data []byte, want []Code) (*Database, error) {
	if d, ok, err := readSaved(data, want); ok {
		return d, err
	}
	// The cache would keep strings of the file in memory.
	db, err := maxminddb.OpenBytes(data, maxminddb.DisableStringCache())
	if err != nil {
		return nil, fmt.Errorf("is no MaxMind DB, or damaged: %w", err)
	}
	m := db.Metadata
	if m.IPVersion != 4 && m.IPVersion != 6 {
		return nil, fmt.Errorf("is no MaxMind DB, or damaged: it is for version %d of IP", m.IPVersion)
	}
	r := &records{db: db, codes: map[uint]Code{}, ends: time.Now().Add(mostTime), named: map[Code]bool{}, of: map[Code]*networks{}}
	for _, code := range want {
		r.of[code] = &networks{}
	}
	if err := newTree(data, m).walk(r.add); err != nil {
		return nil, err
	}
	if len(r.named) == 0 {
		return nil, fmt.Errorf("names no country: its type is %q", m.DatabaseType)
	}
	out := &Database{Type: m.DatabaseType, Built: m.BuildTime(), Only4: m.IPVersion == 4, Countries: map[Code]Country{}}
	for code := range r.named {
		out.Named = append(out.Named, code)
	}
	slices.Sort(out.Named)
	for code, n := range r.of {
		if err := n.put(); err != nil {
			return nil, err
		}
		out.Countries[code] = Country{n.count, n.set.Set()}
	}
	return out, nil
}

// records says of which country the networks are.
type records struct {
	db    *maxminddb.Reader
	codes map[uint]Code // by where the record is
	named map[Code]bool
	of    map[Code]*networks // those that are asked for
	total int
	ends  time.Time
}

// add takes a network, of which the record is at an offset of the data section.
func (r *records) add(p netip.Prefix, offset uint) error {
	code, known := r.codes[offset]
	if !known {
		if len(r.codes) >= mostRecords || time.Now().After(r.ends) {
			return errors.New("takes too long to read: it is no database of countries")
		}
		var err error
		if code, err = r.code(offset); err != nil {
			return fmt.Errorf("is damaged: record of %s: %w", p, err)
		}
		r.codes[offset] = code
		if code != "" {
			r.named[code] = true
		}
	}
	n := r.of[code]
	if n == nil {
		return nil
	}
	if r.total++; r.total > mostNetworks {
		return fmt.Errorf("has more than %d networks of these countries", mostNetworks)
	}
	return n.add(p)
}

// code is the country in which addresses are used, or where that is not known, the one in which they are registered; "" where
// neither is.
func (r *records) code(offset uint) (Code, error) {
	record := r.db.LookupOffset(uintptr(offset))
	for _, key := range []string{"country", "registered_country"} {
		var s string
		err := record.DecodePath(&s, key, "iso_code")
		if _, damaged := errors.AsType[maxminddb.InvalidDatabaseError](err); damaged {
			return "", err
		}
		if err == nil && Is(s) { // else it says something else there
			return Code(s), nil
		}
	}
	return "", nil
}

// networks gathers those of one country. Neighbours come one after the other and are put together at once.
type networks struct {
	count int
	run   policy.AddressRange
	set   policy.AddressBuilder
}

func (n *networks) add(p netip.Prefix) error {
	n.count++
	next := policy.RangeOf(p)
	if n.run.Last.IsValid() && n.run.Last.Is4() == next.First.Is4() && n.run.Last.Next() == next.First {
		n.run.Last = next.Last
		return nil
	}
	if err := n.put(); err != nil {
		return err
	}
	n.run = next
	return nil
}

// put puts what is gathered into the set.
func (n *networks) put() error {
	if !n.run.First.IsValid() {
		return nil
	}
	return n.set.Add(n.run.First, n.run.Last)
}
