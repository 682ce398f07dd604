package api

import "pfw/config"

// State is the daemon's condition in one word.
type State string

// The conditions of a daemon.
const (
	OK       State = "ok"
	Degraded State = "degraded"
	Panic    State = "panic"
	Trying   State = "trying"
)

// Status answers: am I protected, since when, by what, is anything wrong.
type Status struct {
	State State `json:"state"`
	Since Time  `json:"since"` // of the policy
	// Protecting is since when, over changes of the policy, what no rule lets in has been refused without a break, as far as
	// this daemon knows; absent while it is not.
	Protecting *Time      `json:"protecting_since,omitempty"`
	Generation uint64     `json:"generation"`
	File       string     `json:"file"`
	Version    string     `json:"version"`
	Rules      int        `json:"rules"`
	Default    Default    `json:"default"`
	Lists      []ListSize `json:"lists"`
	Bans       int        `json:"bans"`
	// Detectors are those that are on.
	Detectors []string `json:"detectors,omitempty"`
	Packets   Packets  `json:"packets"`
	Events    Events   `json:"events"`
	Faults    []Fault  `json:"faults"`
	// Notices are what a person should know of too, and what may stay as it is: the state is ok with them.
	Notices []Fault `json:"notices"`
	// Trying is there while a policy is on trial, Panic while everything is blocked.
	Trying *TryingStatus `json:"trying,omitempty"`
	Panic  *PanicStatus  `json:"panic,omitempty"`
}

// Default is what becomes of what no rule matches, in the words of firewall.toml.
type Default struct {
	Inbound  string `json:"inbound"`
	Outbound string `json:"outbound"`
	Forward  string `json:"forward"`
}

// ListSize is a named list and how many entries it has.
type ListSize struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
}

// Packets counts what the policy decided.
type Packets struct {
	Allowed uint64 `json:"allowed"`
	Blocked uint64 `json:"blocked"`
}

// Events counts what became of log messages.
type Events struct {
	Logged     uint64 `json:"logged"`
	Suppressed uint64 `json:"suppressed"`
	Lost       uint64 `json:"lost"`
}

// Fault is something that a person should know of and can mend.
type Fault struct {
	Since  Time   `json:"since"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// Rules is the policy in force with its counters.
type Rules struct {
	Rules   []Rule          `json:"rules"`
	Default []DefaultCount  `json:"default"`
	Always  []AlwaysInForce `json:"always,omitempty"`
	// Detectors are those that are on; the packets are those with which somebody was seen to exceed what one allows.
	Detectors []AlwaysInForce `json:"detectors,omitempty"`
}

// Rule is one rule of the file.
type Rule struct {
	Name      string `json:"name"`
	Action    string `json:"action"`
	Direction string `json:"direction"`
	Enabled   bool   `json:"enabled"`
	Text      string `json:"text"`
	Comment   string `json:"comment,omitempty"`
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
	// Over counts, of Packets, those over a bound of the rule, which it blocked.
	Over      uint64 `json:"over,omitempty"`
	LastMatch *Time  `json:"last_match,omitempty"`
	Until     *Time  `json:"until,omitempty"`
	File      string `json:"file"`
	Line      int    `json:"line"`
}

// DefaultCount is what fell to the default of a direction.
type DefaultCount struct {
	Direction string `json:"direction"`
	Action    string `json:"action"`
	Packets   uint64 `json:"packets"`
	Bytes     uint64 `json:"bytes"`
}

// AlwaysInForce is what is in force whatever the rules say.
type AlwaysInForce struct {
	Name    string `json:"name"`
	Text    string `json:"text"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Check is what a reading of a file found.
type Check struct {
	File         string               `json:"file"`
	Valid        bool                 `json:"valid"`
	Errors       []config.Problem     `json:"errors"`
	Warnings     []config.Problem     `json:"warnings"`
	Expectations []config.Expectation `json:"expectations"`
}

// Show is the compiled ruleset: what it is made of, in lines that a person reads, and as a script that nft -f loads.
type Show struct {
	Shape string `json:"shape"`
	NFT   string `json:"nft"`
}

// File is a rule file as it stands on disk, which need not be what is in force.
type File struct {
	File string `json:"file"`
	Text string `json:"text"`
	// More are the files of firewall.d, in the order in which they count.
	More []RuleFile `json:"more"`
	// ETag tells the texts of all files apart from others. It is a header on the wire.
	ETag string `json:"-"`
}

// Outcome is what a change of the policy led to.
type Outcome struct {
	Generation uint64           `json:"generation"`
	State      State            `json:"state"`
	Warnings   []config.Problem `json:"warnings"`
	// Until is when a trial or a panic ends by itself.
	Until *Time `json:"until,omitempty"`
}
