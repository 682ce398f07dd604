package enforce

import (
	"fmt"
	"strings"

	"pfw/config/policy"
)

// Tag is what a log prefix says of a logged packet.
type Tag struct {
	// Rule is the deciding rule's name, "" for a default.
	Rule      policy.Name
	Action    policy.Verdict
	Direction policy.Direction
	Severity  policy.Severity
	Kind      TagKind
	// Over is the bound of the rule that the packet is over, zero where it is within all.
	Over policy.Over
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

// maxTag is NF_LOG_PREFIXLEN less the final zero byte (include/net/netfilter/nf_log.h). The longest tag, with a name of
// 48 characters and a bound, is shorter.
const maxTag = 127

// The words of a tag, which stand between its blanks.
const (
	tagFirst   = "pfw"
	tagWritten = "log"
	tagLive    = "live"
	tagRule    = "rule"
	tagDefault = "default"
)

// String gives the log prefix: "pfw block in high log rule no-telnet", at most 127 bytes. It holds nothing that a quoted
// string of nft would interpret. A bound stands behind the rule: "pfw block in low log rule ssh allow limit 10/minute rule".
func (t Tag) String() string {
	words := []string{tagFirst, t.Action.String(), t.Direction.String(), t.Severity.String(), tagLive}
	if t.Written {
		words[4] = tagWritten
	}
	switch t.Kind {
	case ByRule:
		words = append(words, tagRule, string(t.Rule))
		if t.Over != (policy.Over{}) {
			words = append(words, overWords(t.Over)...)
		}
	case ByDefault:
		words = append(words, tagDefault)
	default:
		panic(fmt.Sprintf("enforce: tag kind %d", uint8(t.Kind)))
	}
	return strings.Join(words, " ")
}

// ParseTag reads a log prefix. Anything that String does not write is an error: another program may log to the group.
func ParseTag(s string) (Tag, error) {
	var t Tag
	words := strings.Split(s, " ")
	if len(s) > maxTag || len(words) < 6 || words[0] != tagFirst {
		return Tag{}, fmt.Errorf("log prefix %q is not pfw's", s)
	}
	t.Action = policy.Verdicts[words[1]]
	for _, d := range policy.Directions {
		if d.String() == words[2] {
			t.Direction = d
		}
	}
	t.Severity = policy.Severities[words[3]]
	if t.Action == 0 || t.Direction == 0 || t.Severity == 0 {
		return Tag{}, fmt.Errorf("log prefix %q: unknown action, direction or severity", s)
	}
	switch words[4] {
	case tagWritten:
		t.Written = true
	case tagLive:
	default:
		return Tag{}, fmt.Errorf("log prefix %q: unknown word %q", s, words[4])
	}
	switch {
	case words[5] == tagDefault && len(words) == 6:
		t.Kind = ByDefault
	case words[5] == tagRule && (len(words) == 7 || len(words) == 7+tagOver):
		name, err := policy.ParseName(words[6])
		if err == nil && len(words) > 7 {
			t.Over, err = parseOver(words[7:])
		}
		if err != nil {
			return Tag{}, fmt.Errorf("log prefix %q: %w", s, err)
		}
		t.Kind, t.Rule = ByRule, name
	default:
		return Tag{}, fmt.Errorf("log prefix %q: unknown end", s)
	}
	return t, nil
}
