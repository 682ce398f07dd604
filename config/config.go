package config

import (
	"time"

	"pfw/config/policy"
)

// Config is what a rule file says, with all that it names.
type Config struct {
	Policy *policy.Policy
	Sinks  Sinks
	// Lists are the named address lists, in the order of the files; the built-in @lan and countries only where a rule names them.
	Lists        []List
	Expectations []Expectation
	Warnings     []Problem
	// Snapshot holds every file that was read. It keeps the contents of the lists: save it, then let go of it.
	Snapshot *Snapshot
	// Trace tells whether another load would read the same; nil where firewall.toml was given as a text.
	Trace *Trace

	// Standing reads the same rule files again; nil where no list is fetched from the net.
	Standing *Standing

	// long are the long lists by their paths, for Kept, as countries are.
	long      map[string]keptList
	countries keptCountries
}

// Sinks says where audit entries are written.
type Sinks struct {
	Journal bool
	// File is an absolute path, "" for no file.
	File string
	// MaxSize is the size in bytes at which File is rotated.
	MaxSize int64
	// Keep is how many rotated files stay.
	Keep int
}

// List is a named address list.
type List struct {
	Name string `json:"name"`
	// Source is the path of a file, a URL without what is secret in it, "entries" or "built in".
	Source string `json:"source"`
	// Built is when the database was made that a country is from; zero of lists.
	Built time.Time `json:"-"`
	// File tells that it is the path of a file.
	File bool `json:"-"`
	// Feed says how the list is fetched, nil for one that is not.
	Feed *Feed `json:"-"`
	// Entries counts the addresses, prefixes and ranges that were read, Ranges the disjoint ranges that they leave.
	Entries int `json:"entries"`
	Ranges  int `json:"ranges"`
	// Skipped counts the lines that are no address, SkippedLines their numbers from 1.
	Skipped      int   `json:"skipped"`
	SkippedLines []int `json:"skipped_lines"`
	// Masked counts the prefixes whose host bits were cleared.
	Masked int `json:"masked"`
	// Rules are the rules that match what is in the list, those that are disabled among them, in the order of the files.
	Rules []policy.Name `json:"-"`
	// Set is shared by all rules that name this list alone.
	Set *policy.AddressSet `json:"-"`
}

// Expectation is an [[expect]] of a file and what the policy makes of it.
type Expectation struct {
	Packet string `json:"packet"`
	Want   string `json:"want"`
	Got    string `json:"got"`
	// Rule is what decided: a rule's name, "default", or the name of what is always in force.
	Rule string `json:"rule"`
	OK   bool   `json:"ok"`
	File string `json:"file"`
	Line int    `json:"line"`

	problem Problem
}

// Options says what Load works with.
type Options struct {
	// Source is where files come from; nil is Regular.
	Source Source
	// Now decides which rules are past their until; zero is the present.
	Now time.Time
	// Text, where it is set, is judged as if it were firewall.toml in its place.
	Text *string
	// Kept are long lists that need not be read again where they did not change. nil is none.
	Kept *Kept
	// Cache is the directory with the copies of lists that were fetched, "" for none.
	Cache string
	// Fresh are copies to read in place of those in the cache, by the paths of those. What is wrong with one is an error.
	Fresh map[string]string
	// Again, where it is set, has the rule files read again as they were, with the lists that are fetched as they are now. Then
	// path and Text count for nothing, and there is no Snapshot.
	Again *Standing
	// Control says that the outcome goes over the control socket: no line of a list file, and none of a firewall.toml
	// that is a link to somewhere else, is quoted.
	Control bool
}
