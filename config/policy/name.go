package policy

import (
	"fmt"
	"regexp"
	"slices"
)

// Name is the handle of a rule in logs, counters and commands. It comes from ParseName only.
type Name string

// At most 48 characters, so that a log prefix (127 bytes in nf_log) holds the name and what else the tag carries.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,47}$`)

// ReservedNames decide packets without being rules of a file.
var ReservedNames = []string{"default", "invalid", "banned", "panic", "established", "loopback"}

// ParseName checks a rule's name.
func ParseName(s string) (Name, error) {
	if !nameForm.MatchString(s) {
		return "", fmt.Errorf("name %q: a name is 1 to 48 of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit", s)
	}
	if slices.Contains(ReservedNames, s) {
		return "", fmt.Errorf("name %q is taken by pfw itself", s)
	}
	return Name(s), nil
}
