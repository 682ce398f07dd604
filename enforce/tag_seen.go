package enforce

import (
	"strings"

	"pfw/config/policy"
)

// Seen is what the log prefix of a detector says.
type Seen struct {
	Behaviour policy.Behaviour
	Outcome   Outcome
}

// Outcome is what came of a behaviour that was seen. The zero value is invalid.
type Outcome uint8

const (
	_ Outcome = iota
	// Over: the remote exceeds what it may.
	Over
	// Banned: the kernel has banned it for that.
	Banned
)

var outcomes = map[Outcome]string{Over: "over", Banned: "banned"}

const tagDetect = "detect"

// String gives the log prefix: "pfw detect port_scan banned".
func (s Seen) String() string {
	return strings.Join([]string{tagFirst, tagDetect, s.Behaviour.String(), outcomes[s.Outcome]}, " ")
}

// ParseSeen reads a log prefix that String wrote; ok is false for any other.
func ParseSeen(prefix string) (s Seen, ok bool) {
	if !strings.HasPrefix(prefix, tagFirst+" "+tagDetect+" ") {
		return Seen{}, false
	}
	for _, b := range policy.Behaviours {
		for o := range outcomes {
			if s := (Seen{b, o}); s.String() == prefix {
				return s, true
			}
		}
	}
	return Seen{}, false
}
