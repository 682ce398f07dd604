package country

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"pfw/config/policy"
)

// savedMark begins what Save writes, and no MaxMind DB.
const savedMark = `{"pfw":"countries",`

// saved is a database without the countries that nobody asked for.
type saved struct {
	PFW       string                `json:"pfw"`
	Type      string                `json:"type"`
	Built     time.Time             `json:"built"`
	Only4     bool                  `json:"only4"`
	Named     []Code                `json:"named"`
	Countries map[Code]savedCountry `json:"countries"`
}

type savedCountry struct {
	Networks int            `json:"networks"`
	Prefixes []netip.Prefix `json:"prefixes"`
}

// Save gives what was read of a database, for Read.
func (d *Database) Save() ([]byte, error) {
	s := saved{PFW: "countries", Type: d.Type, Built: d.Built, Only4: d.Only4, Named: d.Named, Countries: map[Code]savedCountry{}}
	for code, c := range d.Countries {
		x := savedCountry{Networks: c.Networks}
		for _, f := range policy.Families {
			for p := range c.Set.Prefixes(f) {
				x.Prefixes = append(x.Prefixes, p)
			}
		}
		s.Countries[code] = x
	}
	return json.Marshal(s)
}

// readSaved reads what Save wrote; ok is false where it is something else.
func readSaved(data []byte, want []Code) (d *Database, ok bool, err error) {
	if !bytes.HasPrefix(data, []byte(savedMark)) {
		return nil, false, nil
	}
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, true, fmt.Errorf("is damaged: %w", err)
	}
	d = &Database{Type: s.Type, Built: s.Built, Only4: s.Only4, Named: s.Named, Countries: map[Code]Country{}}
	for _, code := range want {
		x, there := s.Countries[code]
		if !there {
			return nil, true, errors.New("is damaged: it lacks " + string(code))
		}
		var b policy.AddressBuilder
		for _, p := range x.Prefixes {
			if err := b.AddPrefix(p); err != nil {
				return nil, true, fmt.Errorf("is damaged: %w", err)
			}
		}
		d.Countries[code] = Country{x.Networks, b.Set()}
	}
	return d, true, nil
}
