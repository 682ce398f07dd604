package api

import (
	"context"
	"net/http"
	"strings"
)

// Lists are the named address lists of the policy in force.
type Lists struct {
	Lists []List `json:"lists"`
}

// List is one of them.
type List struct {
	// Name is what stands behind the @ in a rule, or "country:XX", or "domain:NAME".
	Name string `json:"name"`
	// Entries counts what was read, Ranges the disjoint ranges that it comes to.
	Entries int `json:"entries"`
	Ranges  int `json:"ranges"`
	// Skipped counts the lines that are no address, SkippedLines their numbers from 1.
	Skipped      int   `json:"skipped"`
	SkippedLines []int `json:"skipped_lines"`
	// Masked counts the prefixes that were read without their host bits.
	Masked int `json:"masked"`
	// Kind tells where it comes from; Source is the path of a file, of a country that of the database, a URL without what is secret
	// in it, "entries" or "built in", or of a name "DNS".
	Kind   ListKind `json:"kind"`
	Source string   `json:"source"`
	// Updated is when the file was changed last, as it was read, when the database was made, or when a list from the net was last
	// found to be as it is; absent where there is no such time.
	Updated *Time `json:"updated,omitempty"`
	// Next is when a list from the net is due again, or a name is asked for, and Error why the last try failed.
	Next  *Time  `json:"next,omitempty"`
	Error string `json:"error,omitempty"`
	// Packets counts what was decided by the rules that match what is in the list. They may match more than that.
	Packets uint64 `json:"packets"`
}

// ListKind is where a list comes from.
type ListKind string

// Where lists come from.
const (
	FromFile    ListKind = "file"
	FromNet     ListKind = "url"
	FromEntries ListKind = "entries"
	BuiltIn     ListKind = "built in"
	OfCountry   ListKind = "country"
	OfName      ListKind = "name"
)

func lists(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	v, err := s.backend.Lists(r.Context())
	return answer(w, v.whole(), err)
}

func (l Lists) whole() Lists {
	l.Lists = whole(l.Lists)
	for i := range l.Lists {
		l.Lists[i].SkippedLines = whole(l.Lists[i].SkippedLines)
	}
	return l
}

// Written is how a rule names the list.
func (l List) Written() string { return writtenList(l.Name) }

// Written is how a rule names the list.
func (l ListSize) Written() string { return writtenList(l.Name) }

func writtenList(name string) string {
	if strings.Contains(name, ":") { // which the name of a list has not
		return name
	}
	return "@" + name
}

// Lists asks for the lists of the policy in force.
func (c *Client) Lists(ctx context.Context) (v Lists, err error) {
	return v, c.get(ctx, "lists", &v)
}
