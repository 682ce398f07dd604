package enforce

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"pfw/config/policy"
)

// What rules ask of names is a hash for each family and for each list of names that stand together. It is filled as answers
// of the DNS are seen; each address stays for as long as its answer holds, and over reloads.

// The kernel makes as much room at once as a set may ever need, 16 bytes for each element, and there may be thousands of sets.
const (
	roomOfName  = 512
	roomOfBelow = 2048
	mostRoom    = 4096
)

// Room bounds the addresses of a family that names have which a rule asks for together.
func Room(names policy.Domains) int {
	n := 0
	for _, name := range names.List() {
		if _, below := name.Name(); below {
			n += roomOfBelow
		} else {
			n += roomOfName
		}
	}
	return min(n, mostRoom)
}

// longestName is how much of a name fits what nft shows of a set.
const longestName = 48

// NameSet gives the name of the set for one family: "name4/example.com", "below6/example.com". Where there are several names,
// or a long one, it is a digest.
func NameSet(names policy.Domains, f policy.Family) string {
	list := names.List()
	if name, below := list[0].Name(); len(list) == 1 && len(name) <= longestName {
		if below {
			return ofFamily("below", f) + "/" + name
		}
		return ofFamily("name", f) + "/" + name
	}
	sum := sha256.Sum256([]byte(names.String()))
	return ofFamily("names", f) + "/" + hex.EncodeToString(sum[:10])
}

// Resolved is an address of a name, and how long it is to be taken for one.
type Resolved struct {
	Address netip.Addr
	Left    time.Duration
}

// Resolver knows which addresses a name has. It is nil where nobody does.
type Resolver func(policy.Domain) []Resolved

// nameSets makes the sets that the policy's rules ask of names, with what is known of them.
func (c *compiler) nameSets() {
	for _, names := range c.policy.Named() {
		for _, f := range policy.Families {
			c.keep(namedSet(names, f, c.options.Resolver))
		}
	}
}

// namedSet makes the set of one family.
func namedSet(names policy.Domains, f policy.Family, known Resolver) set {
	k := &name4Kind
	if f == policy.IPv6 {
		k = &name6Kind
	}
	s := set{name: NameSet(names, f), kind: k, dynamic: true, size: uint32(Room(names)), spans: func(func(span) bool) {}}
	if known == nil {
		return s
	}
	longest := map[netip.Addr]time.Duration{}
	for _, name := range names.List() {
		for _, r := range known(name) {
			if familyOf(r.Address) == f && r.Left > 0 {
				longest[r.Address] = max(longest[r.Address], r.Left)
			}
		}
	}
	list := make([]Resolved, 0, len(longest))
	for a, left := range longest {
		list = append(list, Resolved{a, left})
	}
	// Those that last longest, where there are too many.
	slices.SortFunc(list, func(a, b Resolved) int { return cmp.Or(cmp.Compare(b.Left, a.Left), a.Address.Compare(b.Address)) })
	list = list[:min(len(list), Room(names))]
	slices.SortFunc(list, func(a, b Resolved) int { return a.Address.Compare(b.Address) })
	s.count = len(list)
	s.left = func(i int) time.Duration { return list[i].Left }
	s.spans = func(yield func(span) bool) {
		for _, r := range list {
			if k := addressKeyOf(r.Address); !yield(span{k, k}) {
				return
			}
		}
	}
	return s
}
