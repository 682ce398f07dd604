package country

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pfw/config/policy"
)

// savedMark begins what Save writes, and no MaxMind DB.
const savedMark = `{"pfw":"countries",`

// saved is the first line of a database as it is saved: all but the prefixes, which follow with their country, each on a line.
type saved struct {
	PFW      string       `json:"pfw"`
	Type     string       `json:"type"`
	Built    time.Time    `json:"built"`
	Only4    bool         `json:"only4"`
	Named    []Code       `json:"named"`
	Networks map[Code]int `json:"networks"` // of the countries that were asked for
}

// Save gives the countries that were read of a database, for Read.
func (d *Database) Save() ([]byte, error) {
	s := saved{"countries", d.Type, d.Built, d.Only4, d.Named, map[Code]int{}}
	for code, c := range d.Countries {
		s.Networks[code] = c.Networks
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	for _, code := range slices.Sorted(maps.Keys(d.Countries)) {
		for _, f := range policy.Families {
			for p := range d.Countries[code].Set.Prefixes(f) {
				text = append(append(text, code...), ' ')
				text = append(p.AppendTo(text), '\n')
			}
		}
	}
	return text, nil
}

// readSaved reads what Save wrote; ok is false where it is something else.
func readSaved(data []byte, want []Code) (d *Database, ok bool, err error) {
	if !bytes.HasPrefix(data, []byte(savedMark)) {
		return nil, false, nil
	}
	head, rest, _ := bytes.Cut(data, []byte("\n"))
	var s saved
	if err := json.Unmarshal(head, &s); err != nil {
		return nil, true, fmt.Errorf("is damaged: %w", err)
	}
	sets := map[Code]*policy.AddressBuilder{}
	for _, code := range want {
		if _, there := s.Networks[code]; !there {
			return nil, true, errors.New("is damaged: it lacks " + string(code))
		}
		sets[code] = new(policy.AddressBuilder)
	}
	for line := range bytes.Lines(rest) {
		code, prefix, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		p, err := netip.ParsePrefix(prefix)
		if set := sets[Code(code)]; err == nil && set != nil {
			err = set.AddPrefix(p)
		}
		if err != nil {
			return nil, true, fmt.Errorf("is damaged: %w", err)
		}
	}
	d = &Database{Type: s.Type, Built: s.Built, Only4: s.Only4, Named: s.Named, Countries: map[Code]Country{}}
	for code, set := range sets {
		d.Countries[code] = Country{s.Networks[code], set.Set()}
	}
	return d, true, nil
}
