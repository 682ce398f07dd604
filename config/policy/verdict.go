package policy

import "fmt"

// Verdict says what becomes of a packet. The zero value is invalid.
type Verdict uint8

const (
	_ Verdict = iota
	// Allow lets the connection pass.
	Allow
	// Block drops in silence.
	Block
	// Reject refuses with an answer: a TCP reset, else ICMP admin-prohibited.
	Reject
)

// String gives the word that firewall.toml uses.
func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case Block:
		return "block"
	case Reject:
		return "reject"
	}
	panic(fmt.Sprintf("policy: verdict %d", uint8(v)))
}

// Refuses tells whether the packet does not pass.
func (v Verdict) Refuses() bool { return v == Block || v == Reject }

// Verb is the verdict in a sentence: "allows", "blocks", "rejects".
func (v Verdict) Verb() string { return v.String() + "s" }

// Verdicts maps the words of firewall.toml to verdicts.
var Verdicts = map[string]Verdict{"allow": Allow, "block": Block, "reject": Reject}

// Direction is the way in which a connection is opened. The zero value is invalid.
type Direction uint8

const (
	_ Direction = iota
	// In is a connection that somebody opens to this machine.
	In
	// Out is a connection that this machine opens.
	Out
	// Forward is a connection that passes through this machine.
	Forward
)

// Directions lists them all, in the order in which they are shown.
var Directions = []Direction{In, Out, Forward}

// String gives the word that firewall.toml uses.
func (d Direction) String() string {
	switch d {
	case In:
		return "in"
	case Out:
		return "out"
	case Forward:
		return "forward"
	}
	panic(fmt.Sprintf("policy: direction %d", uint8(d)))
}

// Severity grades a rule for alerts. The zero value is invalid.
type Severity uint8

const (
	_ Severity = iota
	// Low is worth a line in the log.
	Low
	// Medium is worth a look.
	Medium
	// High is worth waking somebody.
	High
)

// Severities maps the words of firewall.toml to severities.
var Severities = map[string]Severity{"low": Low, "medium": Medium, "high": High}

// String gives the word that firewall.toml uses.
func (s Severity) String() string {
	switch s {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	}
	panic(fmt.Sprintf("policy: severity %d", uint8(s)))
}

// Family is an address family. The zero value is invalid.
type Family uint8

const (
	_ Family = iota
	// IPv4 is RFC 791.
	IPv4
	// IPv6 is RFC 8200.
	IPv6
)

// Families lists both.
var Families = []Family{IPv4, IPv6}

// String gives the usual spelling.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	}
	panic(fmt.Sprintf("policy: family %d", uint8(f)))
}
