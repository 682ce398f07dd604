package enforce

import "pfw/config/policy"

// The names that the table's objects bear. A rule's name has no '/', and "default" is no rule's name, so nothing that is
// named after a rule meets anything else; and each begins with a letter and needs no quotes in a script for nft.
const tableName = "pfw"

// baseName gives the chain at a hook.
func baseName(d policy.Direction) string {
	switch d {
	case policy.In:
		return "input"
	case policy.Out:
		return "output"
	case policy.Forward:
		return "forward"
	}
	panic("enforce: direction " + d.String())
}

// earlyChain is the chain before conntrack.
const earlyChain = "prerouting"

// deciderChain gives the chain that holds a rule's verdict in a direction: "in/ssh", "in/default".
func deciderChain(d policy.Direction, name string) string { return d.String() + "/" + name }

// rejectChain answers and drops, for all that rejects. The word "reject" itself is taken by nft.
const rejectChain = "rejected"

// The sets that are filled while the table is in force; they keep their contents over a reload.
const (
	bannedSet = "banned"
	cutSet    = "cut"
	keptSet   = "kept"
	// knockedSet holds the ports that remotes were refused.
	knockedSet = "knocked"
	// pardonedSet holds who is not banned by rules for a while, though they would be.
	pardonedSet = "pardoned"
)

// ofFamily gives the name of one family's half of a pair of sets: "banned4".
func ofFamily(name string, f policy.Family) string {
	if f == policy.IPv4 {
		return name + "4"
	}
	return name + "6"
}
