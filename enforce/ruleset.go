package enforce

import (
	"fmt"
	"slices"
	"strings"

	"pfw/config/policy"
)

// Ruleset is what the kernel runs: chains of rules, and the sets and counters that they name. It comes from Compile and
// does not change.
type Ruleset struct {
	sets     []set
	counters []string
	chains   []chain
	// logged tells of each rule's and default's counter whether its messages are to be written.
	logged map[string]bool
	// made tells this ruleset, and copies of it, from any other that was compiled.
	made *byte
	// careful is the chain for what comes in as it is where bans are asked there, nil where the ruleset has it so: see Apply.
	careful *chain
}

// carefully is the ruleset that asks for bans wherever they may be asked.
func (r *Ruleset) carefully() Ruleset {
	out := *r
	out.chains = slices.Clone(r.chains)
	out.chains[slices.IndexFunc(out.chains, func(c chain) bool { return c.name == r.careful.name })] = *r.careful
	return out
}

// hashes are the hashes of long lists by their contents.
func (r *Ruleset) hashes() map[string]*set {
	out := map[string]*set{}
	for i := range r.sets {
		if s := &r.sets[i]; s.share != nil {
			out[s.name] = s
		}
	}
	return out
}

// chain is a list of rules, at a hook or for other chains to go to.
type chain struct {
	name string
	// at is the direction of the packets that the hook sees; 0 where the chain is at no hook.
	at policy.Direction
	// early says that the hook is the one before conntrack, for packets that come in.
	early  bool
	policy verdict // of a chain at a hook: what becomes of a packet that no rule decides
	rules  []rule
	// fixed says that the name is that of the contents, which never change.
	fixed bool
}

// rule is a list of statements: each is done only if those before it hold.
type rule struct {
	statements []statement
	comment    string
}

func (r rule) text() string {
	words := make([]string, 0, len(r.statements))
	for _, s := range r.statements {
		if word := s.text(); word != "" {
			words = append(words, word)
		}
	}
	line := strings.Join(words, " ")
	if r.comment != "" {
		line += fmt.Sprintf(` comment "%s"`, r.comment)
	}
	return line
}

// String gives the ruleset as a script for nft -f, which replaces the table as a whole: bans and counters begin anew.
func (r Ruleset) String() string {
	var b strings.Builder
	// Adding first, as a table that is not there cannot be deleted.
	fmt.Fprintf(&b, "add table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n", tableName)
	for _, name := range r.counters {
		fmt.Fprintf(&b, "\tcounter %s {\n\t}\n", name)
	}
	for _, s := range r.sets {
		b.WriteString("\n")
		b.WriteString(s.text())
	}
	for _, c := range r.chains {
		fmt.Fprintf(&b, "\n\tchain %s {\n", c.name)
		if c.at != 0 {
			fmt.Fprintf(&b, "\t\ttype filter hook %s priority %s; policy %s;\n", c.hook().name, c.hook().level, c.policy.text())
		}
		for _, line := range c.rules {
			fmt.Fprintf(&b, "\t\t%s\n", line.text())
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}
