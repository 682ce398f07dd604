package enforce

import "pfw/config/policy"

// Tag is what a log prefix says of a logged packet.
type Tag struct {
	// Rule is the deciding rule's name, "" for a default.
	Rule      policy.Name
	Action    policy.Verdict
	Direction policy.Direction
	Severity  policy.Severity
	Kind      TagKind
	// Written says that an entry is to be written to the log, not only shown to who watches live.
	Written bool
}

// TagKind says what decided. The zero value is invalid.
type TagKind uint8

const (
	_ TagKind = iota
	// ByRule is a rule of the file.
	ByRule
	// ByDefault is the direction's default, as no rule matched.
	ByDefault
)

// String gives the log prefix, at most 127 bytes.
func (t Tag) String() string { return "" }

// ParseTag reads a log prefix.
func ParseTag(s string) (Tag, error) { return Tag{}, nil }
